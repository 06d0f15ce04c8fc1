"""Acts: the parts of the demo between the table's making and the end, each a step of the way through."""

from __future__ import annotations

import time
from itertools import zip_longest

from limosa.cli.amounts import in_words, label, money, rows
from limosa.cli.demo.evidence import Checked, State, check_vectors, clock, kept, look, matches
from limosa.cli.demo.scene import Scene
from limosa.cli.demo.stage import ANSWERS, FILE, SEARCHERS, SEARCHES_PER_S, WRITES_PER_S, embedder_of
from limosa.cli.lines import print_line
from limosa.model.operation import STEPS

__all__ = ["FIGURES", "QUERY", "calm", "fill", "once_more", "plan", "there_and_back"]

QUERY = "parsing command-line arguments"
"""Shown before and after: picked because a reader can judge the answers at once."""

FIGURES = (
    "rows",
    "without_vector",
    "to_embed",
    "tokens",
    "cost_usd",
    "backfill_s",
    "index_build_s",
    "index_memory_bytes",
    "wal_bytes",
)
"""What of the plan's figures is shown here; `limosa plan` prints all of them."""


def calm(scene: Scene) -> None:
    """The application begins, and works alone for a while."""
    page = scene.page
    page.heading(
        "An application at work",
        "It runs in a process of its own and knows nothing of limosa. It edits, inserts and deletes rows,"
        " searches through the match function, and never writes a vector, so those of edited rows grow stale."
        " First it works alone: these pauses are what this machine does by itself.",
    )
    known = scene.beside.start()
    page.say(
        f"{WRITES_PER_S} writes and {SEARCHES_PER_S} searches a second over {1 + SEARCHERS} connections,"
        f" on {rows(known)} rows, for {scene.calm_s:g} s"
    )
    with scene.phase("alone"):
        time.sleep(scene.calm_s)


def plan(scene: Scene) -> None:
    """The file, and what would be done."""
    page = scene.page
    page.heading(
        "The job, and its plan",
        "One file says what moves where. `limosa plan limosa.toml` looks and changes nothing; this is its short form.",
    )
    page.verbatim(FILE)
    with scene.phase("plan"):
        made = scene.app.plan()
    scene.accept = frozenset(check.flag for check in made.questions)
    page.console.print()
    figures = {**made.counts, **made.estimates}
    page.columns(("", ""), [(label(name), in_words(name, figures[name])) for name in FIGURES if name in figures])
    for check in made.checks:
        if check.verdict in {"accept", "note"}:
            answer = f" (accepted here: {check.flag})" if check.verdict == "accept" else ""
            page.say(f"{check.name}: {check.said}{answer}")
    page.say("", "What would be done, each with its way back until finish:")
    for step in STEPS:
        titles = [operation.title for operation in made.operations if operation.step == step]
        for place, title in enumerate(titles):
            print_line(page.console, f"  {step}" if place == 0 else "", title, width=11)


def fill(scene: Scene) -> None:
    """Run up to the proof, then one search in both spaces."""
    page, app = scene.page, scene.app
    page.heading(
        "Run",
        "`limosa run limosa.toml` makes room beside the old vectors, notes every change from then on, fills"
        " the new column, builds its index, and proves that no row was lost. The application still reads"
        " the old vectors. Rows that it changed a moment ago are pending: queued, and counted as such.",
    )
    with scene.phase("run"):
        spent = scene.run().tally
        page.say(
            "", f"{rows(spent.tokens)} tokens embedded for {money(spent.cost_usd)}: hashing is done here, for nothing."
        )
    page.heading(
        "One search, before and after",
        f'"{QUERY}", asked of the same match function with the old model and with the new one. Hashing'
        " stands in for a real model here, so that the demo needs no download: the old one counts words, the"
        " new one parts of words. The query was picked because the difference is easy to see.",
    )
    sides = (app.migration.source, app.migration.target)
    answers = [matches(scene.url, embedder_of(side), QUERY, answers=ANSWERS) for side in sides]
    both = zip_longest(*answers, fillvalue=("", None))
    titles = [side.space.title for side in sides]
    lines = [
        [part for title, near in pair for part in (f"{near:.2f}" if near is not None else "", title)] for pair in both
    ]
    page.columns(("", titles[0], "", titles[1]), lines, left=(1, 3))


def there_and_back(scene: Scene, before: State) -> None:
    """Cutover, a while on the new vectors, and rollback with its evidence."""
    page = scene.page
    page.heading(
        "Cutover",
        "One short transaction renames the columns: the new vectors are now the application's. The match"
        " function answers callers of both models, so the application changes its own model when it likes.",
    )
    _cut_over(scene, "cutover")
    page.heading(
        "Rollback",
        "Until finish there is a way back. Rows whose text did not change get their old vectors back bit for"
        " bit, because these were never touched; rows that changed since cutover are embedded with the old model.",
    )
    with scene.phase("rollback"):
        scene.beside.use("old")
        left, took = scene.act(scene.app.rollback)
    page.say("", f"Rolled back in {took}; {rows(len(left))} rows had to be left without an old vector.")
    after = look(scene.url)
    same = kept(before, after)
    page.say(
        f"{rows(same.rows)} rows still have the text that they had at the beginning.",
        f"Digest of their keys and vectors: {same.before} before, {same.after} after.",
    )
    if same.before != same.after:
        scene.faults.append("a row whose text did not change has another old vector after rollback")
    if before.shape == after.shape:
        page.say("Columns, indexes, triggers and the match function are as they were.")
    else:
        scene.faults.append("the table's columns, indexes, triggers or match function differ after rollback")


def once_more(scene: Scene) -> Checked:
    """Run, cutover and finish; then what stands beside every text."""
    page, app = scene.page, scene.app
    page.heading("Once more", "The same file, the same two commands: run and cutover.")
    with scene.phase("run again"):
        scene.run()
    _cut_over(scene, "cutover again")
    page.heading(
        "Finish",
        "`limosa finish limosa.toml --now` drops the old vectors, the triggers and the internal views, and does not"
        " wait for the soak to be over. From here on there is no way back, and what the application changes is its own"
        " to embed, as before limosa came.",
    )
    with scene.phase("finish"):
        moment, top = clock(scene.url)
        _, took = scene.act(lambda: app.finish(now=True))
    page.say("", f"Finished in {took}.")
    return check_vectors(scene.url, embedder_of(app.migration.target), moment=moment, top=top)


def _cut_over(scene: Scene, name: str) -> None:
    with scene.phase(name):
        left, took = scene.act(scene.app.cutover)
        scene.page.say(f"Switched in {took}; {rows(left)} changes were outstanding.")
        scene.beside.use("new")
        scene.page.say(f"From now on the application embeds its queries with the new model; {scene.soak_s:g} s pass.")
        time.sleep(scene.soak_s)
        scene.page.say("`limosa run limosa.toml` once more embeds what it changed since:")
        scene.run(briefly=True)
