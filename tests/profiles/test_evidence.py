"""What each fact rests on; the deepest path decides."""

from pyhf_endpoint.profiles import evidence
from pyhf_endpoint.profiles.model import SiteProfile
from tests.profiles.example import parse

SECOND = [
    ("sourced:\n", '  page: {title: a page, url: "https://example.org/page", date: 2026-02-28}\nsourced:\n'),
    (
        "inferred:\n",
        "  page: [scheduler.queues.gpu, nodes.rome.cores]\ninferred:\n  scheduler.queues.gpu.max_nodes: counted\n",
    ),
]


def changed_unchecked(**changes: object) -> SiteProfile:
    """The example with whole fields replaced and no rules asked."""
    return parse().model_copy(update=changes)


def test_a_path_stands_for_everything_below_it() -> None:
    found = evidence(parse())
    assert found.sourced["scheduler.queues.gpu.max_walltime"] == ("guide",)
    assert found.sourced["nodes.a100.accelerators.request.how"] == ("guide",)
    assert found.inferred == {"container.runtime": "as elsewhere", "container.flags": "as elsewhere"}
    assert found.unsupported == found.idle == ()


def test_the_deepest_path_decides() -> None:
    found = evidence(parse(*SECOND))
    assert found.sourced["scheduler.kind"] == ("guide",)
    assert found.sourced["scheduler.queues.gpu.max_walltime"] == ("page",)
    assert found.inferred["scheduler.queues.gpu.max_nodes"] == "counted"
    assert found.sourced["nodes.rome.cores"] == ("page",)


def test_two_sources_of_one_path_are_both_named() -> None:
    found = evidence(parse(*SECOND, ("page: [scheduler.queues.gpu, nodes.rome.cores]", "page: [scheduler, nodes]")))
    assert found.sourced["scheduler.kind"] == ("guide", "page")


def test_unknown_rests_on_nothing_and_leaves_no_claim_idle() -> None:
    found = evidence(parse(("guide: [architecture,", "guide: [scheduler.queues.cpu.max_walltime, architecture,")))
    assert found.unknown == ("scheduler.queues.cpu.max_walltime",)
    assert "scheduler.queues.cpu.max_walltime" not in found.sourced
    assert found.idle == ()


def test_what_rests_on_nothing_is_unsupported() -> None:
    found = evidence(changed_unchecked(sourced={"guide": ("scheduler", "nodes", "architecture.login", "launcher", "network")}))
    assert found.unsupported == ("architecture.compute",)


def test_a_claim_about_no_fact_is_idle() -> None:
    found = evidence(changed_unchecked(inferred={"container": "as elsewhere", "proxies": "as elsewhere", "nodes.a": "a prefix"}))
    assert found.idle == ("nodes.a", "proxies")


def test_what_the_file_does_not_state_needs_no_source() -> None:
    paths = [*evidence(parse()).sourced, *evidence(parse()).inferred]
    assert "network.interface" in paths
    assert not [path for path in paths if path.startswith(("run", "variants", "proxies", "network.address", "container.where"))]


def test_notes_are_commentary() -> None:
    note = ("account: {required: true}", "account: {required: true, note: ask for one}")
    assert set(evidence(parse(note)).sourced) == set(evidence(parse()).sourced)


def test_the_counts_in_words() -> None:
    found = evidence(parse())
    assert found.counts() == f"{len(found.sourced)} sourced, 2 inferred, 1 unknown"
