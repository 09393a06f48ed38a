"""What must be true of every plant, and of each by its physics."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from holdfast.model.units import canonical
from holdfast.sim.plant.battery import Battery, BatteryParams
from holdfast.sim.plant.chance import Chance, number_of, share_of
from holdfast.sim.plant.cold_store import ColdStore, ColdStoreParams
from holdfast.sim.plant.meter import Meter, MeterParams
from holdfast.sim.plant.models import MODELS
from holdfast.sim.plant.nature import Wander, is_workday, outdoor, relaxed, saturation_hpa, wave
from holdfast.sim.plant.press import Press, PressParams
from holdfast.sim.plant.pump import Pump, PumpParams
from holdfast.sim.plant.room import Room, RoomParams

MONDAY_6 = 1_767_592_800.0  # 2026-01-05T06:00:00Z
Values = dict[str, NDArray[Any]]
TYPES = {"float": np.floating, "int": np.integer, "bool": np.bool_, "text": np.str_}


def history(plant: Any, seconds: float, dt_s: float, at_s: float = MONDAY_6) -> list[Values]:
    out = []
    for _ in range(round(seconds / dt_s)):
        at_s += dt_s
        plant.step(at_s, dt_s)
        out.append(plant.values())
    return out


@pytest.mark.parametrize("name", MODELS)
def test_a_device_does_the_same_alone_and_among_many(name: str) -> None:
    model = MODELS[name]
    dt = model.longest_s
    alone = history(model.make(model.params(), 1, Chance(7, "g", 1)), 200 * dt, dt)
    among = history(model.make(model.params(), 50, Chance(7, "g", 50)), 200 * dt, dt)
    for one, many in zip(alone, among, strict=True):
        assert {k: v[0] for k, v in one.items()} == {k: v[0] for k, v in many.items()}


@pytest.mark.parametrize("name", MODELS)
def test_another_seed_is_another_history_and_devices_differ(name: str) -> None:
    model = MODELS[name]
    first, second = (history(model.make(model.params(), 2, Chance(seed, "g", 2)), 600, 10.0)[-1] for seed in (1, 2))
    assert any((first[k] != second[k]).any() for k in first)
    assert any(v[0] != v[1] for v in first.values())


@pytest.mark.parametrize("name", MODELS)
def test_every_point_has_a_column_of_its_type_and_a_canonical_unit(name: str) -> None:
    model = MODELS[name]
    values = history(model.make(model.params(), 3, Chance(1, "g", 3)), 60, 1.0)[-1]
    assert list(values) == list(model.points)
    for point, plan in model.points.items():
        assert np.issubdtype(values[point].dtype, TYPES[plan.type])
        assert values[point].shape == (3,)
        assert not plan.unit or canonical(plan.unit).name == plan.unit


@pytest.mark.parametrize("name", MODELS)
def test_a_day_of_it_holds_nothing_that_is_no_number(name: str) -> None:
    model = MODELS[name]
    plant = model.make(model.params(), 5, Chance(3, "g", 5))
    for values in history(plant, 86_400, 60.0):
        assert all(np.isfinite(v).all() for v in values.values() if v.dtype.kind == "f")


def test_chance_is_flat_and_noise_has_its_mean_and_deviation() -> None:
    chance = Chance(1, "g", 20_000)
    flat, bell = chance.uniform(1, 5), chance.normal(2, 5)
    assert flat.min() >= 0
    assert flat.max() < 1
    assert abs(flat.mean() - 0.5) < 0.01
    assert abs(bell.mean()) < 0.02
    assert abs(bell.std() - 1) < 0.02
    assert np.abs(bell).max() <= 3


def test_what_chance_says_is_fixed_for_ever() -> None:
    """A change here changes every scenario's bytes."""
    assert number_of(7, "rooms", 0) == 0xB28341F8E82FEA45
    assert [round(float(x), 9) for x in Chance(7, "rooms", 3).uniform(1, 1)] == [0.855579733, 0.417876212, 0.226238298]
    assert round(share_of(7, "a"), 9) == 0.049917147


def test_the_mixer_is_splitmix64() -> None:
    """The first numbers of java.util.SplittableRandom's mixer from the state 1234567, as other libraries list them."""
    chance = Chance(0, "g", 1)
    chance._keys = np.array([1_234_567], np.uint64)
    said = [int(chance._bits(purpose, 0)[0]) for purpose in range(3)]
    assert said == [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]


def test_the_wave_is_nearly_a_sine() -> None:
    assert max(abs(wave(i / 997) - math.sin(2 * math.pi * i / 997)) for i in range(-997, 1994)) < 0.002


def test_saturation_pressure_is_that_of_the_steam_tables() -> None:
    for celsius, hpa in ((0.0, 6.112), (10.0, 12.28), (20.0, 23.39), (30.0, 42.47)):
        assert saturation_hpa(celsius) == pytest.approx(hpa, rel=0.002)


def test_relaxation_never_overshoots_however_long_the_step() -> None:
    for dt in (0.1, 10.0, 1e6):
        assert 0.0 < relaxed(np.array([0.0]), 1.0, dt, 5.0)[0] < 1.0


def test_wander_keeps_its_deviation_for_every_step_length() -> None:
    for dt in (1.0, 30.0, 600.0):
        wander = Wander(Chance(1, "w", 2000), 0, 2000, 2.0, 60.0)
        for n in range(200):
            wander.step(n + 1, dt)
        assert wander.value.std() == pytest.approx(2.0, rel=0.1)


def test_days_are_warm_at_three_and_workdays_are_five() -> None:
    assert outdoor(15 * 3600.0, 8.0, 5.0) == pytest.approx(13.0, abs=0.05)
    assert outdoor(3 * 3600.0, 8.0, 5.0) == pytest.approx(3.0, abs=0.05)
    assert [is_workday(MONDAY_6 + n * 86_400) for n in range(7)] == [True] * 5 + [False] * 2


def test_people_make_a_room_stuffy_and_the_night_airs_it() -> None:
    room = Room(RoomParams(), 40, Chance(1, "g", 40))
    day = history(room, 12 * 3600, 60.0)
    occupied = np.array([v["occupied"].mean() for v in day])
    assert occupied[:110].max() == 0  # before 8:00
    assert occupied[200:500].mean() > 0.5
    assert day[8 * 60]["co2"].mean() > 550
    night = history(room, 8 * 3600, 60.0, MONDAY_6 + 12 * 3600)
    assert night[-1]["co2"].mean() == pytest.approx(420, abs=8)
    for values in day:
        assert values["co2"].min() > 350
        assert ((values["humidity"] >= 0) & (values["humidity"] <= 100)).all()
        assert ((values["temperature"] > 5) & (values["temperature"] < 40)).all()


def test_a_rooms_heat_is_accounted_for() -> None:
    """Empty, at night: the heat stored is what the heater gave less what left."""
    p = RoomParams(people=0, spread=0.0, outdoor_swing_c=0.0, air_changes_h=0.5)
    room = Room(p, 1, Chance(1, "g", 1))
    before, given, lost, dt = room._temperature[0], 0.0, 0.0, 10.0
    at = MONDAY_6 - 5 * 3600
    for n in range(360):
        room.step(at + n * dt, dt)
        flow = p.volume_m3 * p.air_changes_h / 3600
        given += room.heater_w[0] * dt
        lost += (p.loss_w_k + 1206.0 * flow) * (room._temperature[0] - p.outdoor_c) * dt
    stored = p.capacity_kj_k * 1000 * (room._temperature[0] - before)
    assert stored == pytest.approx(given - lost, rel=1e-3, abs=2000)


def test_a_cold_store_keeps_its_band_by_going_on_and_off() -> None:
    params = ColdStoreParams(door_openings_h=0.0)
    store = ColdStore(params, 10, Chance(1, "g", 10))
    day = history(store, 8 * 3600, 10.0)
    settled = np.array([v["temperature"] for v in day[720:]])
    assert settled.min() > params.set_c - params.band_k - 1.5
    assert settled.max() < params.set_c + params.band_k + 1.5
    duty = np.array([v["compressor"] for v in day]).mean()
    assert 0.02 < duty < 0.9
    assert (day[-1]["starts"] > 3).all()


def test_open_doors_cost_energy() -> None:
    closed, opened = (
        history(ColdStore(ColdStoreParams(door_openings_h=n), 10, Chance(1, "g", 10)), 6 * 3600, 10.0) for n in (0, 30)
    )
    assert opened[-1]["energy"].mean() > 1.2 * closed[-1]["energy"].mean()


@pytest.mark.parametrize(
    "plant", [Meter(MeterParams(), 8, Chance(2, "m", 8)), ColdStore(ColdStoreParams(), 8, Chance(2, "c", 8))]
)
def test_energy_is_the_sum_of_the_power_that_is_shown(plant: Any) -> None:
    dt = 10.0
    before = plant.values()["energy"]
    day = history(plant, 3600, dt)
    summed = np.sum([v["power"] for v in day], axis=0) * dt / 3.6e6
    assert np.abs(day[-1]["energy"] - before - summed).max() < 2e-4  # both are rounded
    assert all((b["energy"] >= a["energy"]).all() for a, b in itertools.pairwise(day))


def test_a_meters_power_is_volts_by_amperes_by_the_power_factor() -> None:
    for values in history(Meter(MeterParams(power_factor=0.9), 20, Chance(1, "g", 20)), 600, 5.0):
        assert values["power"] == pytest.approx(values["voltage"] * values["current"] * 0.9, rel=1e-3, abs=0.2)
        assert ((values["voltage"] > 207) & (values["voltage"] < 253)).all()
        assert ((values["frequency"] >= 49.5) & (values["frequency"] <= 50.5)).all()


def test_wear_raises_vibration_and_heat_until_the_pump_fails_and_repair_ends_it() -> None:
    pump = Pump(PumpParams(life_h=10, worn=0.0, repair_h=1), 4, Chance(1, "g", 4))
    day = history(pump, 20 * 3600, 60.0)
    young, old = day[120], day[8 * 60]
    assert old["vibration"].mean() > 2 * young["vibration"].mean()
    assert (old["bearing_temperature"] > young["bearing_temperature"] + 10).all()
    failed = np.array([v["failed"] for v in day])
    assert failed.any(axis=0).all()
    for values in day:
        stands = values["failed"]
        assert (values["flow"][stands] == 0).all()
        assert (values["flow"][~stands] > 0).all()
    assert (pump.wear < 1).any()
    runs = failed[:, 0].nonzero()[0]
    assert len(runs) < len(day) / 2  # repaired after an hour


def test_affinity_laws_hold_between_speed_flow_pressure_and_power() -> None:
    p = PumpParams(worn=0.0)
    for values in history(Pump(p, 5, Chance(1, "g", 5)), 3600, 60.0):
        share = values["speed"] / p.speed_rpm
        assert values["pressure"] == pytest.approx(p.pressure_hpa * share**2, rel=1e-3)
        assert values["power"] == pytest.approx(p.power_w * share**3, rel=5e-3)


def test_every_part_is_good_or_bad_and_counters_only_rise() -> None:
    params = PressParams(tool_strokes=300, setup_s=60, stop_every_min=10)
    shift = history(Press(params, 6, Chance(1, "g", 6)), 1500, 0.5)
    for a, b in itertools.pairwise(shift):
        assert (b["good"] + b["bad"] == b["cycles"]).all()
        assert ((b["cycles"] - a["cycles"] >= 0) & (b["cycles"] - a["cycles"] <= 1)).all()
        assert (b["bad"] >= a["bad"]).all()
        assert (b["cycles"] == a["cycles"])[b["state"] != "running"].all()
    states = {str(s) for v in shift for s in v["state"]}
    assert states == {"running", "setup", "fault"}
    assert 1500 / 2 * 0.4 < shift[-1]["cycles"].mean() < 1500 / 2 * 1.1


def test_a_worn_punch_needs_more_force_and_makes_more_scrap() -> None:
    press = Press(PressParams(tool_strokes=2000, stop_every_min=1e5), 50, Chance(1, "g", 50))
    press._wear[:] = 0.0
    new = history(press, 200, 0.5)[-1]["force"].mean()
    press._wear[:] = 0.9
    old = history(press, 60, 0.5)[-1]["force"].mean()
    assert old > 1.1 * new


def test_a_battery_counts_every_coulomb_within_its_limits() -> None:
    battery = Battery(BatteryParams(), 6, Chance(1, "g", 6))
    at, dt = MONDAY_6, 30.0
    for n in range(2880):
        before = battery.soc
        battery.step(at + n * dt, dt)
        assert battery.soc - before == pytest.approx(battery.current_a * dt / battery.coulomb, abs=1e-12)
        assert ((battery.soc > 0.0999) & (battery.soc < 0.9501)).all()


def test_a_batterys_voltage_is_the_tables_and_what_its_resistance_adds() -> None:
    p = BatteryParams()
    battery = Battery(p, 3, Chance(1, "g", 3))
    soc, volts = (
        [0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 1],
        [2.5, 3, 3.2, 3.25, 3.29, 3.31, 3.33, 3.34, 3.36, 3.6],
    )
    charged = set()
    for n in range(2880):
        battery.step(MONDAY_6 + 30.0 * n, 30.0)
        values = battery.values()
        open_v = p.cells * np.interp(battery.soc, soc, volts)
        assert values["voltage"] == pytest.approx(open_v + battery.current_a * p.resistance_ohm, abs=6e-4)
        assert values["power"] == pytest.approx(values["voltage"] * values["current"], abs=0.2)
        charged |= set(values["charging"].tolist())
    assert charged == {True, False}


def test_current_warms_a_battery_by_its_square() -> None:
    def warmed(amperes: float) -> float:
        battery = Battery(
            BatteryParams(discharge_a=amperes, day=(0, 24), capacity_ah=1e5, spread=0), 1, Chance(1, "g", 1)
        )
        history(battery, 4 * 3600, 30.0)
        return float(battery.temperature[0]) - 20.0

    assert warmed(40.0) == pytest.approx(4 * warmed(20.0), rel=0.01)
