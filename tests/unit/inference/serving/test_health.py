from holdfast.inference.serving.health import Fitness, Health


def warm() -> Health:
    one = Health(3, (60.0, 600.0))
    one.warmed(0.0)
    return one


def state_of(one: Health) -> Fitness:
    return one.state


def test_three_errors_in_a_row_break_a_model_and_two_do_not() -> None:
    one = warm()
    one.failed(1.0)
    one.failed(2.0)
    one.succeeded(3.0)
    one.failed(4.0)
    one.failed(5.0)
    assert state_of(one) is Fitness.OK
    one.failed(6.0)
    assert state_of(one) is Fitness.BROKEN
    assert one.until == 66.0


def test_a_warm_up_that_fails_breaks_it_at_once() -> None:
    one = Health(3, (60.0,))
    one.failed(0.0)
    assert one.is_out


def test_pauses_grow_and_start_over_once_it_ran_well_for_as_long() -> None:
    one = warm()
    one.stuck(0.0)
    assert not one.wants_try(59.0)
    assert one.wants_try(60.0)
    one.warm_again()
    one.warmed(60.0)
    one.stuck(70.0)
    assert one.until == 670.0
    one.warm_again()
    one.warmed(670.0)
    one.succeeded(1000.0)
    one.stuck(1000.0)
    assert one.until == 1600.0
    one.warm_again()
    one.warmed(1600.0)
    one.succeeded(2300.0)
    one.stuck(2300.0)
    assert one.until == 2360.0


def test_what_is_shut_is_never_tried() -> None:
    one = Health(3, (60.0,))
    one.shut()
    assert not one.wants_try(1e12)
