import pytest

from loadgen.importers.locust.tags import keep_tagged, tag
from loadgen.importers.locust.tasks import TaskSet, task


def _made() -> type[TaskSet]:
    class Inner(TaskSet):
        @tag("slow")
        @task
        def deep(self) -> None: ...

        @task
        def plain(self) -> None: ...

    class Outer(TaskSet):
        inner = tag("inner")(task(Inner))

        @tag("quick", "read")
        @task(2)
        def read(self) -> None: ...

        @task
        def untagged(self) -> None: ...

    return Outer


def _names(owner: type[TaskSet]) -> list[str]:
    return sorted(one.__name__ for one in owner.tasks)


def test_without_tags_all_stay() -> None:
    outer = _made()
    keep_tagged(outer, (), ())
    assert _names(outer) == ["Inner", "read", "read", "untagged"]


def test_wanted_tags_leave_out_what_has_none() -> None:
    outer = _made()
    keep_tagged(outer, ["read"], ())
    assert _names(outer) == ["read", "read"]


def test_a_tag_of_a_task_set_is_one_of_its_tasks() -> None:
    outer = _made()
    keep_tagged(outer, ["inner"], ["slow"])
    assert _names(outer) == ["Inner"]
    assert _names(outer.tasks[0]) == ["plain"]


def test_a_task_set_that_has_nothing_left_goes() -> None:
    outer = _made()
    keep_tagged(outer, ["quick"], ())
    assert "Inner" not in _names(outer)


def test_a_tag_needs_a_name() -> None:
    with pytest.raises(ValueError, match="needs a name"):
        tag()
