"""The loop over sources that every task shares; what GLUE and data-to-text make of it is in their own tests."""

import pytest

from lora_repro.config import DataConfig
from lora_repro.errors import ConfigError, DataError, OfflineError
from lora_repro.tasks.sources import NotHere, data_folder, read_first


def not_here() -> str:
    raise NotHere("no folder RTE")


def out_of_reach() -> str:
    raise OfflineError("the hub cannot be reached")


def damaged() -> str:
    raise DataError("line 2")


def test_the_first_that_has_it_is_read_and_the_rest_is_not_asked() -> None:
    readers = {"local": not_here, "hub": lambda: "from the hub", "other": damaged}
    assert read_first(readers, DataConfig(sources=["local", "hub", "other"]), "rte") == "from the hub"
    with pytest.raises(DataError, match="line 2"):
        read_first(readers, DataConfig(sources=["other", "hub"]), "rte")


def test_what_each_source_lacked_is_said_once() -> None:
    readers = {"local": not_here, "hub": out_of_reach}
    with pytest.raises(NotHere, match="no folder RTE"):
        read_first(readers, DataConfig(sources=["local"]), "rte")
    with pytest.raises(OfflineError, match=r"task rte \(no folder RTE\) is not on this machine .*three ways on"):
        read_first(readers, DataConfig(sources=["local", "hub"]), "task rte")


@pytest.mark.parametrize("sources", [[], ["local", "disk"]])
def test_a_source_that_nobody_reads(sources: list[str]) -> None:
    with pytest.raises(ConfigError, match="valid are local, hub, at least one of them"):
        read_first({"local": not_here, "hub": out_of_reach}, DataConfig(sources=sources), "rte")


def test_no_folder_named() -> None:
    with pytest.raises(NotHere, match=r"data\.dir is not set, so task rte cannot"):
        data_folder(DataConfig(), "rte")
