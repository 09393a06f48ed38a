from holdfast.adapters.coap.gate import Gate, plain


def test_without_networks_everybody_may_send() -> None:
    gate = Gate((), 0.0)
    assert gate.lets("2001:db8::1", 0.0)
    assert gate.lets("::ffff:192.0.2.1", 0.0)


def test_only_peers_of_the_networks_may_send_and_others_are_counted() -> None:
    gate = Gate(("10.7.0.0/16", "fd00::/8"), 0.0)
    hosts = ["::ffff:10.7.1.2", "::ffff:10.8.1.2", "fd12::1", "fe80::1%eth0", "10.7.255.255"]
    assert [gate.lets(host, 0.0) for host in hosts] == [True, False, True, False, True]
    assert gate.turned.strangers == 2


def test_a_peer_that_is_too_fast_is_turned_away_and_the_others_are_not() -> None:
    gate = Gate((), rate=10.0)
    assert [gate.lets("a", 0.0) for _ in range(12)] == [True] * 10 + [False] * 2
    assert gate.lets("b", 0.0)
    assert gate.lets("a", 0.1)
    assert not gate.lets("a", 0.1)
    assert gate.turned.too_fast == 3


def test_peers_that_make_up_addresses_cost_bounded_memory() -> None:
    gate = Gate(("10.0.0.0/8",), rate=1.0, limit=50)
    for number in range(1_000):
        gate.lets(f"::ffff:10.0.{number // 250}.{number % 250}", 0.0)
    assert len(gate._known) <= 50
    assert gate._buckets is not None
    assert len(gate._buckets) <= 50


def test_an_ipv4_address_on_an_ipv6_socket_is_told_as_ipv4() -> None:
    assert str(plain("::ffff:192.0.2.7")) == "192.0.2.7"
    assert str(plain("fe80::1%eth0")) == "fe80::1"
