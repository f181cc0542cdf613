"""Everything that is audited, whether through the API or the web console: one line for each act."""

from __future__ import annotations

from console.http.audited import Audited
from schemas.payments.erasure import ERASE

MERCHANT_PUT = Audited("merchant.put", "{merchant}", ("since", "include_sandbox", "check_prepared", "tier"))
MERCHANT_DELETE = Audited("merchant.delete", "{merchant}")
ENDPOINT_CREATE = Audited("endpoint.create", "{id}", ("merchant", "url", "types"))
ENDPOINT_CHANGE = Audited("endpoint.change", "{id}", ("url", "types"))
ENDPOINT_DELETE = Audited("endpoint.delete", "{id}")
ENDPOINT_ENABLE = Audited("endpoint.enable", "{id}")
ENDPOINT_DISABLE = Audited("endpoint.disable", "{id}")
ENDPOINT_TEST = Audited("endpoint.test", "{id}")
SECRET_READ = Audited("secret.read", "{id}", is_view=True)
SECRET_ROTATE = Audited("secret.rotate", "{id}", ("overlap",))
PAYMENT_READ = Audited("payment.read", "{imp_uid}", ("merchant",), is_view=True)
PAYMENT_LIST = Audited("payment.list", "", ("merchant", "merchant_uid", "status", "since", "until"), is_view=True)
# The text may be a buyer's name, so the audit says where it was found instead. A redirect to an id shows nothing.
PAYMENT_SEARCH = Audited("payment.search", "", ("found",), is_view=True, statuses=(200,))
PAYMENT_REFRESH = Audited("payment.refresh", "{imp_uid}", ("merchant",))
PAYMENT_CANCEL = Audited("payment.cancel", "{imp_uid}", ("merchant", "amount", "record_only"))
PAYMENT_ERASE = Audited(ERASE, "{imp_uid}", ("merchant", "reason"))
CANCELLATION_REJECT = Audited("cancellation.reject", "{imp_uid}", ("merchant", "id"))
ORDER_PUT = Audited("order.put", "{merchant_uid}", ("merchant", "amount", "currency"))
EVENT_READ = Audited("event.read", "{id}", is_view=True)
EVENT_LIST = Audited("event.list", "", ("merchant", "imp_uid", "type", "since", "until"), is_view=True)
# An endpoint's answer may repeat the buyer's data that it was sent.
DELIVERY_READ = Audited("delivery.read", "{id}", is_view=True)
DELIVERY_LIST = Audited(
    "delivery.list", "", ("endpoint", "event", "state", "merchant", "type", "since", "until"), is_view=True
)
CALLBACK_READ = Audited("callback.read", "{id}", is_view=True)
DELIVERY_RETRY = Audited("delivery.retry", "{id}")
NOTIFICATION_READ = Audited("notification.read", "{id}", is_view=True)
NOTIFICATION_LIST = Audited("notification.list", "", ("merchant", "imp_uid", "outcome", "since", "until"), is_view=True)
# Counting what a replay would send starts no replay; it is answered with 200.
REPLAY_CREATE = Audited(
    "replay.create", "{id}",
    ("endpoint", "merchant", "types", "since", "until", "only", "include_silent", "rate"), statuses=(202, 303),
)  # fmt: skip
REPLAY_STOP = Audited("replay.stop", "{id}")
RECONCILIATION_CREATE = Audited("reconciliation.create", "{id}", ("merchant", "since", "until", "deliver", "rebuild"))
LEDGER_RESTORE = Audited("ledger.restore")
LEDGER_BEGIN_ANEW = Audited("ledger.begin_anew")
KEYS_RESEAL = Audited("keys.reseal")
EXPORT_READ = Audited("export.read", "{what}", ("merchant", "since", "until", "format"), is_view=True)
