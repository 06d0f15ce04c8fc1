"""How the report looks: light, dark and on paper, without anything from outside."""

from __future__ import annotations

__all__ = ["CSS", "POLICY"]

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""What the page may load: its own styles, and nothing else from anywhere."""

# The two inks are the blue and the vermilion that Okabe and Ito chose to be told apart by everybody
# (https://jfly.uni-koeln.de/color/), darker on white and lighter on black so that contrast is at least 4.5 to 1.
_LIGHT = """
  --paper: #ffffff; --raised: #f6f7f8; --rule: #d9dee2; --grid: #e6e9ec;
  --ink: #1b2329; --soft: #55626c; --one: #0060a0; --two: #b34700;
  --good: #1a6b3c; --bad: #a8201a; --open: #7a5200;
"""
_DARK = """
  --paper: #12171b; --raised: #1a2127; --rule: #35404a; --grid: #273038;
  --ink: #e8edf1; --soft: #a5b1bb; --one: #6cb8ee; --two: #f0a050;
  --good: #6fcf97; --bad: #ff8f85; --open: #e8c170;
"""

CSS = f"""
:root {{ color-scheme: light dark; {_LIGHT} }}
@media screen and (prefers-color-scheme: dark) {{ :root {{ {_DARK} }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI",
  Roboto, "Helvetica Neue", Arial, "Liberation Sans", sans-serif; -webkit-text-size-adjust: 100%; }}
main {{ max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }}
h1 {{ font-size: 2rem; line-height: 1.2; margin: 0.2rem 0 0.4rem; font-weight: 650; overflow-wrap: anywhere; }}
h2 {{ font-size: 1.25rem; line-height: 1.3; margin: 0 0 0.4rem; font-weight: 650; }}
h3 {{ font-size: 1rem; line-height: 1.4; margin: 0; font-weight: 650; }}
p {{ margin: 0.3rem 0; max-width: 46rem; }}
section {{ margin-top: 2.6rem; padding-top: 1.4rem; border-top: 1px solid var(--rule); }}
.brow, .made, figcaption, .means {{ color: var(--soft); font-size: 0.875rem; }}
.brow {{ letter-spacing: 0.02em; }}
.spaces {{ font-size: 1.05rem; overflow-wrap: anywhere; }}
.verdict {{ margin: 1.8rem 0 0; padding: 1.2rem 1.4rem; background: var(--raised); border-left: 6px solid var(--soft);
  border-top: 0; border-radius: 0 6px 6px 0; }}
.verdict strong {{ display: block; font-size: 1.6rem; line-height: 1.25; margin-bottom: 0.3rem; }}
.verdict.proved {{ border-color: var(--good); }} .proved > strong, .badge.proved {{ color: var(--good); }}
.verdict.different {{ border-color: var(--bad); }} .different > strong, .badge.different {{ color: var(--bad); }}
.verdict.open {{ border-color: var(--open); }} .open > strong, .badge.unchecked {{ color: var(--open); }}
.sum {{ display: flex; flex-wrap: wrap; align-items: flex-end; gap: 0.6rem 0.9rem; margin: 1rem 0 0.6rem; padding: 0;
  list-style: none; font-variant-numeric: tabular-nums; }}
.sum li {{ min-width: 4rem; }}
.sum b {{ display: block; font-size: 1.7rem; line-height: 1.15; font-weight: 600; }}
.sum span {{ color: var(--soft); font-size: 0.875rem; }}
.sum li.sign {{ min-width: 0; font-size: 1.4rem; line-height: 1.2; color: var(--soft); padding-bottom: 1.4rem; }}
.sum li.wrong b {{ color: var(--bad); }}
table {{ border-collapse: collapse; width: 100%; font-size: 0.9375rem; font-variant-numeric: tabular-nums; }}
th, td {{ text-align: left; vertical-align: top; padding: 0.4rem 1rem 0.4rem 0; border-bottom: 1px solid var(--rule);
  overflow-wrap: anywhere; }}
th {{ font-weight: 600; }} thead th {{ color: var(--soft); font-size: 0.875rem; }}
td.number, th.number {{ text-align: right; white-space: nowrap; }}
td:last-child, th:last-child {{ padding-right: 0; }} td:first-child {{ overflow-wrap: normal; }}
.wide {{ overflow-x: auto; margin-top: 0.7rem; }}
dl {{ display: grid; grid-template-columns: minmax(7rem, 11rem) 1fr; gap: 0.35rem 1.2rem; margin: 0.8rem 0 0; }}
dt {{ color: var(--soft); }} dd {{ margin: 0; overflow-wrap: anywhere; }}
pre {{ margin: 0.4rem 0; font-size: 0.8rem; white-space: pre-wrap; overflow-wrap: anywhere; }}
.proof {{ display: grid; grid-template-columns: 9.5rem 1fr; gap: 0.2rem 1.2rem; padding: 0.9rem 0;
  border-bottom: 1px solid var(--rule); break-inside: avoid; }}
.proof:last-child {{ border-bottom: 0; padding-bottom: 0; }} .proof > div {{ min-width: 0; overflow-wrap: anywhere; }}
.badge {{ font-weight: 600; white-space: nowrap; }}
details {{ margin-top: 0.5rem; }} summary {{ cursor: pointer; color: var(--soft); font-size: 0.875rem; }}
summary:focus-visible {{ outline: 2px solid var(--one); outline-offset: 3px; }}
.plots {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(min(26rem, 100%), 1fr)); gap: 2rem 2.2rem;
  margin-top: 1.2rem; align-items: start; }}
figure {{ margin: 0; break-inside: avoid; min-width: 0; }} figcaption {{ margin-top: 0.4rem; }}
svg {{ display: block; width: 100%; height: auto; margin-top: 0.4rem; overflow: visible; }}
svg text {{ font: 13px system-ui, -apple-system, "Segoe UI", Roboto, Arial, "Liberation Sans", sans-serif;
  fill: var(--soft); }}
svg .name {{ font-size: 13px; }}
.grid {{ stroke: var(--grid); }} .axis {{ stroke: var(--soft); }}
.limit {{ stroke: var(--soft); stroke-dasharray: 2 4; }}
.line {{ fill: none; stroke-width: 2; stroke-linejoin: round; }}
.ink1 {{ stroke: var(--one); }} .ink2 {{ stroke: var(--two); stroke-dasharray: 6 4; }}
.dot {{ stroke: none; }} .dot.ink1 {{ fill: var(--one); }} .dot.ink2 {{ fill: var(--two); }}
.area {{ stroke-width: 1.75; }} .area.ink1 {{ fill: var(--one); fill-opacity: 0.16; }}
.area.ink2 {{ fill: var(--two); fill-opacity: 0.16; }}
.bar {{ fill: var(--one); }}
.legend {{ display: flex; flex-wrap: wrap; gap: 0.1rem 1.2rem; list-style: none; margin: 0.3rem 0 0; padding: 0;
  font-size: 0.875rem; }}
.legend svg {{ display: inline-block; width: 28px; height: 10px; margin: 0 0.5rem 0 0; }}
.sources {{ padding-left: 1.2rem; max-width: 46rem; }} .sources li {{ margin: 0.35rem 0; }}
footer {{ margin-top: 3rem; color: var(--soft); font-size: 0.875rem; }}
@media (max-width: 640px) {{
  main {{ padding: 1.5rem 1rem 3rem; }} h1 {{ font-size: 1.6rem; }}
  .proof {{ grid-template-columns: 1fr; }} dl {{ grid-template-columns: 1fr; gap: 0; }} dd {{ margin-bottom: 0.5rem; }}
  .sum {{ flex-direction: column; align-items: stretch; gap: 0; }} .sum li.sign {{ display: none; }}
  .sum li {{ display: flex; flex-direction: row-reverse; justify-content: space-between; align-items: baseline;
    border-bottom: 1px solid var(--rule); padding: 0.3rem 0; }}
  .sum b {{ font-size: 1.15rem; }}
}}
@media print {{
  @page {{ margin: 16mm 15mm; }}
  body {{ font-size: 10.5pt; }} main {{ padding: 0; max-width: none; }}
  section {{ margin-top: 1.6rem; padding-top: 1rem; }} h2, h3 {{ break-after: avoid; }}
  .verdict {{ border: 1px solid var(--rule); border-left: 6px solid var(--soft); }}
  figure details, section > details {{ display: none; }} .proof summary {{ display: none; }}
  .proof details::details-content {{ content-visibility: visible; block-size: auto; }}
  .proof dl {{ grid-template-columns: 8rem 1fr 8rem 1fr; font-size: 9pt; gap: 0.1rem 1rem; margin-top: 0.2rem; }}
  .plots {{ grid-template-columns: 1fr 1fr; gap: 1.2rem 1.6rem; }} .made {{ break-inside: avoid; break-after: avoid; }}
  .sum {{ gap: 0.4rem 0.5rem; }} .sum b {{ font-size: 13pt; }} .sum li {{ min-width: 2.6rem; }}
  tr, .sum {{ break-inside: avoid; }}
  * {{ print-color-adjust: exact; -webkit-print-color-adjust: exact; }}
}}
"""
