"""Every reason there is: its code, which programs may rely on, and the names of its parameters.

Codes are words of the field in snake_case and never change their meaning. Parameters are plain JSON values: times as
UNIX seconds, ids, numbers, short texts of i'mport, Redis or the system as they came; never sentences of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Literal


class Kind(Enum):
    """What a parameter is, for whoever shows it."""

    TIME = "time"  # UNIX seconds
    DURATION = "duration"  # seconds
    EVENT = "event"
    DELIVERY = "delivery"
    ENDPOINT = "endpoint"
    CHOICE = "choice"  # one of a few words, which each language has
    TEXT = "text"  # as it is


KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(("at", "due", "expires", "since", "until"), Kind.TIME),
    **dict.fromkeys(("database", "kind", "network", "state"), Kind.CHOICE),
    "timeout": Kind.DURATION,
    "delivery": Kind.DELIVERY,
    "endpoint": Kind.ENDPOINT,
}
"""By the name of a parameter; every other one is text."""

FRAMES = frozenset({"waiting", "held_until_enabled", "dead_until_retried", "redis_unusable"})
"""Codes that say nothing of their own: they put their cause into a frame."""

UNKNOWN = "unknown_reason"

BodyReason = Literal[
    "empty", "not_json", "not_an_object", "form_sent_as_json", "json_sent_as_form", "version_2", "no_imp_uid",
    "unusable_imp_uid",
]  # fmt: skip
"""Why a webhook's body is refused with 400."""

CODES: Mapping[str, tuple[str, ...]] = {
    # Why a delivery waits, was sent, or is over
    "being_sent": (),
    "waits_for_worker": (),
    "waits_for_event": ("delivery",),
    "sent_after_dead": ("delivery",),
    "retry_scheduled": (),
    "attempts_exhausted": ("attempts",),
    "endpoint_gone": (),
    "held": (),
    "endpoint_disabled": (),
    "endpoint_deleted": (),
    "event_removed": (),
    "test_tried_once": (),
    "test_not_sent": (),
    "test_channel_left_out": (),
    "retry_requested": (),
    "replayed_again": ("replay",),
    "replayed": ("replay",),
    "replay_stopped": (),
    "replay_stopped_unsent": (),
    # Why a lane pauses
    "retry_after": ("until",),
    "breaker_open": ("until", "failures"),
    "rate_limited": ("until",),
    "lane_paused": ("until",),
    # What an attempt came to
    "http_answer": ("status",),
    "no_answer": (),
    "timed_out": ("timeout",),
    "internal_error": ("error_type",),
    "connection_refused": (),
    "connection_reset": (),
    "connection_closed": (),
    "connection_unanswered": (),
    "connection_failed": ("error_type",),
    "connection_error": ("error",),
    "host_unreachable": (),
    "network_unreachable": (),
    "tls_failed": ("error",),
    "dns_no_host": (),
    "dns_unanswered": (),
    "dns_no_address": (),
    "invalid_http_answer": (),
    "invalid_url": (),
    "url_forbidden": (),
    "address_forbidden": ("address", "network"),
    "address_unreadable": ("address",),
    "no_addresses": (),
    # How an endpoint is doing
    "failures_in_a_row": ("failures", "since"),
    "delivered_again": ("failures",),
    "disabled_by_operator": (),
    # Why an endpoint has, has not, or not yet got an event
    "delivered": ("at", "attempts"),
    "delivered_unseen": ("attempts",),
    "delivered_requested_again": ("at",),
    "waiting": ("attempts", "due"),
    "held_until_enabled": ("since",),
    "dead_until_retried": (),
    "given_up": (),
    "discarded": (),
    "about_itself": (),
    "other_merchant": ("event_merchant", "endpoint_merchant"),
    "not_subscribed": ("event_type",),
    "recorded_silently": (),
    "endpoint_added_later": ("at",),
    "not_subscribed_then": ("event_type",),
    # What keeps everything from going on
    "no_worker": (),
    "memory_nearly_full": ("percent",),
    "redis_unusable": ("database",),
    "commands_forbidden": ("commands", "rights"),
    "keys_forbidden": ("keys",),
    "commands_unknown": ("commands",),
    "command_refused": ("command", "error"),
    "credentials_refused": ("error",),
    "database_unusable": ("error",),
    "queue_database_unusable": ("error",),
    "database_unreliable": ("error",),
    "setting_weak": ("setting", "value", "needed"),
    "setting_unknown": ("setting", "needed"),
    "settings_hidden": (),
    "redis_timed_out": (),
    "redis_moving": (),
    "redis_refused": ("error",),
    "redis_nonsense": ("error",),
    "redis_full": ("error",),
    "redis_full_for_events": ("events",),
    "redis_unreliable": ("error",),
    "replicas_missing": ("replicas",),
    # What became of a webhook
    "empty": (),
    "not_json": (),
    "not_an_object": (),
    "form_sent_as_json": (),
    "json_sent_as_form": (),
    "version_2": (),
    "no_imp_uid": (),
    "unusable_imp_uid": (),
    "escrow_unverified": (),
    "escrow_without_code": (),
    "not_escrow": (),
    "payment_unknown": (),
    "merchant_deleted": (),
    "lookup_failed": (),
    "test_channel_excluded": ("imp_uid", "merchant"),
    # What is wrong with i'mport, or with what it answers
    "iamport_status": ("status",),
    "iamport_code_zero": ("status",),
    "iamport_not_json": ("status",),
    "iamport_odd_shape": ("status",),
    "iamport_too_many_requests": (),
    "iamport_token_refused": (),
    "iamport_credentials_refused": (),
    "iamport_message": ("message",),
    "iamport_no_message": ("code",),
    "iamport_refused": (),
    "iamport_not_asked": (),
    "outcome_unknown": (),
    "iamport_timed_out": ("seconds",),
    "iamport_single_timed_out": ("seconds",),
    "iamport_token_timed_out": ("seconds",),
    "iamport_token_denied": ("code",),
    "iamport_no_token": (),
    "iamport_bad_token": (),
    "iamport_bad_lifetime": (),
    "iamport_unreachable": (),
    "iamport_answer_cut": (),
    "iamport_answer_broke_off": (),
    "iamport_answer_too_long": ("bytes",),
    "iamport_answer_encoded": (),
    "proxy_unreachable": (),
    "proxy_status": ("status",),
    "proxy_credentials_refused": (),
    "iamport_no_list": (),
    "iamport_no_page": (),
    "iamport_no_payment": (),
    "payment_without_imp_uid": (),
    "row_without_imp_uid": (),
    "row_not_asked_for": (),
    "page_row_without_imp_uid": (),
    "payment_not_answered": ("imp_uid",),
    "payment_twice": ("imp_uid",),
    "payment_without_status": ("imp_uid",),
    "payment_without_amount": ("imp_uid",),
    "payment_field_not_number": ("imp_uid", "field"),
    "payment_field_out_of_range": ("imp_uid", "field"),
    "payment_unreadable": ("imp_uid", "error"),
    "payment_no_longer_known": (),
    "prepared_of_other_order": (),
    "prepared_unreadable": (),
    "merchant_not_set_up": ("merchant",),
    "merchant_without_credentials": ("merchant",),
    "merchant_credentials_unreadable": ("merchant",),
    "value_unreadable": (),
    "headers_damaged": ("endpoint",),
    "sealing_key_needed": (),
    # Why an operator's request is turned down
    "not_found": ("kind", "id"),
    "payment_not_found": ("imp_uid", "merchant"),
    "payment_unknown_to_iamport": ("imp_uid", "merchant"),
    "cancellation_not_found": ("imp_uid", "id"),
    "cancellation_closed": ("imp_uid", "id", "state"),
    "cancellation_under_way": ("imp_uid",),
    "nothing_left_to_cancel": ("imp_uid",),
    "too_much_to_cancel": ("imp_uid", "left", "requested"),
    "whole_no_longer_cancellable": ("imp_uid", "left"),
    "payment_never_seen": ("imp_uid",),
    "path_not_found": ("path",),
    "disabled_holds": (),
    "merchant_has_endpoints": ("merchant",),
    "merchant_has_payments": ("merchant",),
    "merchant_gone": ("merchant",),
    "merchant_in_environment": (),
    # What is wrong with one field of a request
    "later_than_since": (),
    "before_1970": (),
    "not_a_merchant_name": (),
    "not_an_imp_uid": (),
    "merchant_of_endpoint": ("merchant",),
    "not_writable": (),
    "bad_cursor": (),
    "too_many_secrets": ("secrets", "most", "expires"),
    "too_long": ("most",),
    "url_with_space": (),
    "not_a_url": (),
    "not_http": (),
    "not_https": (),
    "url_without_host": (),
    "url_with_user": (),
    "url_with_fragment": (),
    "bad_port": (),
    "bad_host": (),
    "host_too_long": (),
    "url_leads_inside": (),
    "address_misspelt": ("address",),
    "no_types": (),
    "unknown_type": ("event_type", "wildcard"),
    "too_many_headers": ("most",),
    "bad_header_name": (),
    "header_of_relay": (),
    "given_twice": (),
    "bad_header_value": (),
    "headers_too_long": ("bytes",),
    "bad_max_in_flight": (),
    "bad_rate_limit": (),
    # A reason that this version does not know
    "unknown_reason": ("text",),
}
