"""An examination as one page for a browser: opens offline, light or dark, and holds no vector and no text."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from limosa.cli.options import with_file
from limosa.cli.pages.doctor import examples_of, summary

if TYPE_CHECKING:
    from limosa.model.finding import Finding
    from limosa.steps.doctor import Diagnosis

__all__ = ["page_of"]

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #ffffff; --soft: #57606a; --line: #d0d7de;
  --error: #b3261e; --warning: #8a5a00; --note: #0b5cad; --clean: #1a7f37; --unchecked: #6e5494; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #12161b; --soft: #9aa4af; --line: #30363d;
  --error: #ff8a80; --warning: #e3b341; --note: #79b8ff; --clean: #56d364; --unchecked: #c8a2ff; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto;
  max-width: 60rem; padding: 2rem 1rem; }
h1 { font-size: 1.5rem; margin: 0; overflow-wrap: anywhere; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
p { margin: .4rem 0; overflow-wrap: anywhere; } .soft { color: var(--soft); }
article { border-left: 4px solid var(--line); padding: .25rem 0 .25rem 1rem; margin: 1rem 0; }
.error { border-color: var(--error); } .warning { border-color: var(--warning); } .note { border-color: var(--note); }
.unchecked { border-color: var(--unchecked); } .clean { border-color: var(--clean); }
.mark { font-weight: 600; } .error .mark { color: var(--error); } .warning .mark { color: var(--warning); }
.note .mark { color: var(--note); } .unchecked .mark { color: var(--unchecked); } .clean .mark { color: var(--clean); }
pre { overflow-x: auto; border: 1px solid var(--line); padding: .5rem .75rem; font-size: .85rem; }
"""


def page_of(diagnosis: Diagnosis, *, file: Path) -> str:
    """The whole page; every value is escaped, and nothing in it is run or fetched.

    Args:
        file: the migration's file, for commands that the page names.
    """
    counts = ", ".join(f"{count:,} {name}" for name, count in diagnosis.counts.items())
    sections = [
        _section(title, [each for each in diagnosis.findings if each.verdict == verdict], file)
        for verdict, title in (("found", "Found"), ("unchecked", "Could not be checked"), ("clean", "Clean"))
    ]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{escape(diagnosis.place)}: {escape(summary(diagnosis))}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{escape(diagnosis.place)}</h1>
<p>{escape(diagnosis.space)}: <strong>{escape(summary(diagnosis))}</strong></p>
<p class="soft">{escape(f"{diagnosis.at:%Y-%m-%d %H:%M} UTC")}. {escape(counts)} {escape(diagnosis.sent)}</p>
{"".join(sections)}
</body>
</html>
"""


def _section(title: str, findings: list[Finding], file: Path) -> str:
    if not findings:
        return ""
    return f"<h2>{escape(title)}</h2>\n" + "".join(_article(each, file) for each in findings)


def _article(finding: Finding, file: Path) -> str:
    kind = finding.severity if finding.verdict == "found" else finding.verdict
    parts = [f'<p><span class="mark">{escape(kind)}</span> {escape(finding.name)}: {escape(finding.said)}</p>']
    if finding.examples:
        parts.append(f'<p class="soft">For example {escape(examples_of(finding))}</p>')
    if finding.do:
        parts.append(f"<p>{escape(with_file(finding.do, file))}</p>")
    if finding.sql:
        parts.append(f"<pre>{escape(finding.sql)}</pre>")
    return f'<article class="{escape(kind)}">\n' + "\n".join(parts) + "\n</article>\n"
