"""What stays in memory: so many bytes, the last used; and never less than somebody holds."""

import gc
import threading
import weakref
from collections.abc import Callable

import pytest
import torch
from torch import nn

import attnviz
from attnviz import Backbone, zoo
from attnviz.errors import ModelError, OptionError
from attnviz.zoo.memory import Memory, size
from tests.unit.stock.servers import Site
from tests.unit.zoo.test_libraries import published, same

A, B, C = ("a", "cpu"), ("b", "cpu"), ("c", "cpu")
EACH = 4 * (10 * 10 + 10)


class Maker:
    """Networks of `EACH` bytes, counted."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> Backbone:
        self.made += 1
        return Backbone(nn.Linear(10, 10))


@pytest.fixture
def make() -> Maker:
    return Maker()


def alive(memory: Memory, *keys: tuple[str, str]) -> list[bool]:
    gc.collect()
    return [key in memory._alive for key in keys]


def test_bytes_of_parameters_and_buffers() -> None:
    assert size(Backbone(nn.Linear(10, 10))) == EACH
    assert size(Backbone(nn.BatchNorm2d(5))) == 4 * 4 * 5 + 8
    half = nn.Linear(10, 10, bias=False).half()
    assert size(Backbone(half)) == 200


def test_the_least_recently_used_leaves(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTNVIZ_MODELS_BYTES", str(2 * EACH))
    memory = Memory()
    memory.get(A, make)
    memory.get(B, make)
    memory.get(A, make)
    assert (make.made, alive(memory, A, B)) == (2, [True, True])
    memory.get(C, make)
    assert (make.made, alive(memory, A, B, C)) == (3, [True, False, True])
    memory.find(A)
    memory.get(B, make)
    assert (make.made, alive(memory, A, B, C)) == (4, [True, True, False])


def test_what_is_held_is_the_same_object_though_it_has_left(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTNVIZ_MODELS_BYTES", str(EACH))
    memory = Memory()
    held = memory.get(A, make)
    memory.get(B, make)
    memory.get(C, make)
    assert alive(memory, A, B, C) == [True, False, True]
    assert memory.get(A, make) is held
    assert make.made == 3
    assert held.run(torch.zeros(1, 10))[0].shape == (1, 10)


def test_one_that_is_larger_than_all_room_is_kept_until_the_next(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTNVIZ_MODELS_BYTES", "0")
    memory = Memory()
    memory.get(A, make)
    assert alive(memory, A) == [True]
    memory.get(B, make)
    assert alive(memory, A, B) == [False, True]


def test_a_number_of_bytes_that_is_none(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTNVIZ_MODELS_BYTES", "1 GB")
    with pytest.raises(OptionError, match="ATTNVIZ_MODELS_BYTES is '1 GB'; it must be a whole number of bytes"):
        Memory().get(A, make)


def at_once(works: list[Callable[[], object]]) -> list[object]:
    """Every work's result (or what it raised), all run at the same time."""
    results: list[object] = [None] * len(works)

    def run(i: int) -> None:
        try:
            results[i] = works[i]()
        except Exception as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def test_made_once_for_all_who_ask_at_once() -> None:
    memory, make, started = Memory(), Maker(), threading.Event()

    def slowly() -> Backbone:
        started.wait(0.2)
        return make()

    found = at_once([lambda: memory.get(A, slowly)] * 6)
    assert make.made == 1
    assert len({id(each) for each in found}) == 1


def test_one_that_takes_long_holds_no_other_up() -> None:
    memory, make, go = Memory(), Maker(), threading.Event()

    def hanging() -> Backbone:
        assert go.wait(60)
        return make()

    thread = threading.Thread(target=memory.get, args=(A, hanging))
    thread.start()
    assert memory.get(B, make) is memory.find(B)
    assert memory.find(A) is None
    go.set()
    thread.join()
    assert memory.find(A) is not None


def test_one_that_fails_fails_for_those_who_asked_and_is_made_the_next_time(make: Maker) -> None:
    memory = Memory()

    def failing() -> Backbone:
        raise ModelError("no")

    assert [str(each) for each in at_once([lambda: memory.get(A, failing)] * 3)] == ["no"] * 3
    assert memory.get(A, make) is memory.find(A)


def test_loads_of_one_id_share_a_download_and_others_do_not_wait(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo, "_loaded", Memory())
    model_id = "timm:mobilenetv3_small_100.lamb_in1k"
    model = published(site, model_id)
    site.mood.trickle = 4_000_000
    told, found = threading.Event(), list[object]()
    loads = [lambda: attnviz.load(model_id, progress=lambda *_: told.set())] * 3
    thread = threading.Thread(target=lambda: found.extend(at_once(loads)))
    thread.start()
    assert told.wait(60)
    assert attnviz.load("resnet18t-se").blocks  # while the other still waits for its first byte
    site.mood.more.release(100)
    thread.join(60)
    assert len(site.gets()) == 1
    assert len({id(each) for each in found}) == 1
    assert same(attnviz.load(model_id).model, model)


def test_a_family_s_network_leaves_and_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo, "_loaded", Memory())
    monkeypatch.setenv("ATTNVIZ_MODELS_BYTES", str(15_000_000))
    first = weakref.ref(attnviz.load("resnet18t-se").model)
    attnviz.load("resnet18t-eca")
    gc.collect()
    assert first() is None
    assert attnviz.load("resnet18t-se").blocks
