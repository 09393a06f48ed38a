"""Which versions may take another's place in a deployment."""

from pathlib import Path

from msgspec.structs import replace

from holdfast.inference.card import Card, Image, Inputs, load_card
from holdfast.inference.store import SHIPPED
from holdfast.node.models.living import misfit
from holdfast.node.models.planning import Work
from holdfast.node.models.settings import Deploy


def of_pictures(card: Card, image: Image) -> Card:
    return replace(card, inputs=Inputs(shape=(3, image.height, image.width), image=image))


def test_a_version_that_wants_other_pictures_is_no_fit_and_the_same_ones_are() -> None:
    card = load_card(SHIPPED / "occupancy")
    mine = of_pictures(card, Image(width=8, height=8))
    work = Work("look", Deploy(model="look"), Path(), mine)
    assert misfit(work, of_pictures(card, Image(width=8, height=8))) == ""
    assert "takes other pictures than look makes" in misfit(work, of_pictures(card, Image(width=16, height=8)))
    assert "takes other pictures" in misfit(work, of_pictures(card, Image(width=8, height=8, mean=(0.5,))))
    assert "takes occupancy" in misfit(work, card)
