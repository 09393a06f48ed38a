from holdfast.inference.serving.pressure import Budget, Pressure


def pressure(*, can_fall: bool = True) -> Pressure:
    return Pressure(0.05, can_fall=can_fall)


def state_of(one: Pressure) -> Budget:
    return one.state  # a type checker would otherwise think that calls don't change it


def late(one: Pressure, since: float, until: float) -> None:
    now = since
    while now < until:
        one.measured(1.5, now)
        now += 0.02


def test_what_is_foreseen_presses_and_a_calm_second_ends_it() -> None:
    one = pressure()
    one.foreseen(0.9, 0.0)
    assert state_of(one) is Budget.PRESSED
    one.measured(0.2, 0.1)
    one.measured(0.2, 1.0)
    assert state_of(one) is Budget.PRESSED
    one.measured(0.2, 1.2)
    assert state_of(one) is Budget.OK


def test_a_moment_above_half_a_budget_starts_the_calm_over() -> None:
    one = pressure()
    one.foreseen(0.9, 0.0)
    one.measured(0.2, 0.1)
    one.measured(0.6, 0.9)
    one.measured(0.2, 1.2)
    assert state_of(one) is Budget.PRESSED


def test_between_half_and_four_fifths_nothing_changes() -> None:
    one = pressure()
    for turn in range(100):
        one.measured(0.7, turn * 0.1)
    assert state_of(one) is Budget.OK


def test_what_stays_late_falls_back_and_one_in_time_prevents_it() -> None:
    one = pressure()
    late(one, 0.0, 0.09)
    one.measured(0.9, 0.09)
    late(one, 0.1, 0.18)
    assert state_of(one) is Budget.PRESSED
    late(one, 0.18, 0.25)
    assert state_of(one) is Budget.FALLING


def test_without_a_fallback_late_is_better_than_never() -> None:
    one = pressure(can_fall=False)
    late(one, 0.0, 5.0)
    assert state_of(one) is Budget.PRESSED


def test_three_probes_in_time_bring_it_back() -> None:
    one = pressure()
    late(one, 0.0, 0.3)
    assert not one.wants_probe(0.5)
    for now in (2.0, 4.0, 6.0):
        assert one.wants_probe(now)
        assert not one.wants_probe(now)
        one.probed(0.1, now + 0.01)
    assert state_of(one) is Budget.PRESSED


def test_a_late_probe_starts_the_count_over() -> None:
    one = pressure()
    late(one, 0.0, 0.3)
    for ratio in (0.1, 0.1, 0.9, 0.1, 0.1):
        one.probed(ratio, 1.0)
    assert state_of(one) is Budget.FALLING
    one.probed(0.1, 1.0)
    assert state_of(one) is Budget.PRESSED


def test_who_falls_again_soon_is_probed_half_as_often_up_to_a_minute() -> None:
    one = pressure()
    now, pauses = 0.0, []
    for _ in range(9):
        late(one, now, now + 0.3)
        now += 0.3
        fell = now
        while not one.wants_probe(now):
            now += 0.1
        pauses.append(round(now - fell))
        for _ in range(3):
            one.probed(0.1, now)
        assert state_of(one) is Budget.PRESSED
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    now += 4000.0
    late(one, now, now + 0.3)
    assert one.wants_probe(now + 1.5)


def test_a_deployment_that_loses_its_fallback_does_not_fall() -> None:
    one = pressure()
    late(one, 0.0, 0.3)
    one.settings(0.05, can_fall=False)
    assert state_of(one) is Budget.PRESSED
