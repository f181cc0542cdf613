"""What the tests of several folders share. Fixtures for all of them are in `tests/conftest.py`.

============================  ======================================================================================
you need                      take
============================  ======================================================================================
to wait for something         ``waiting.until`` (``until_now`` without an event loop); no test sleeps instead
a Redis                       the fixtures ``redis_url`` (shared, emptied) and ``own_redis`` (to stop, kill, fill);
                              ``watched`` (two servers and Sentinels), ``cluster``; ``guarded_redis`` for passwords
                              and TLS; others are a ``redis_process.RedisServer``
a process of the project      the fixture ``processes``; ``processes.Process`` waits for log lines, ports and the end.
                              It comes from ``warm_python``, which has imported everything
a receiver                    ``receivers.start``; its parts without a process: ``receiver_parts``
the whole relay               ``relay.Relay``: one for a file by ``relay_fixtures.shared_relay``, one for a test by the
                              fixtures ``relay`` and ``start_relay`` of `tests/end_to_end`
i'mport                       the fixture ``stub``, ``iamport_stub.Stub``: every answer is the test's; its tokens in
                              memory: ``memory_tokens``; in a `Relay` the sandbox plays i'mport
a subscriber                  ``subscribers.RecordingSubscriber``, or ``Subscriber`` with a behaviour of
                              `tests.workers.catalogue`; both are an ``http_server.HttpServer``
an HTTP client                ``clients.http_client``
a broken network              ``proxies``: ``TcpProxy``, ``RedisProxy``, ``HttpProxy``
certificates                  ``certificates.Authority``
a payment as i'mport shows it ``payments.payment`` (``lives`` for properties); ``play.Play`` plays one without a ledger
a ledger with something in it ``machine`` (what workers do, by hand), ``ledger_driver.Driver`` (the same, lane by lane),
                              ``ledger_replaying``
to look into a ledger         its methods; past them ``ledger_state.LedgerState``, which knows the keys;
                              ``ledger_invariants.problems`` checks all of it
the tables of docs/facts.md   ``facts_table``
============================  ======================================================================================

``schedule`` divides a run among processes; a file that takes long is named there.
"""
