"""Figures on "Self-Consuming Generative Models with Curated Data" (Ferbach et al. 2024, arXiv 2407.09499)."""

from __future__ import annotations

from paper_scripts._ferbach2024_drawing import draw_maps, draw_rewards, draw_symbols
from paper_scripts._ferbach2024_findings import map_findings, reward_findings, symbol_findings
from paper_scripts._figure import Figure
from simulations import curation

__all__ = ["FIGURES"]

FIGURES = (
    Figure(
        name="ferbach_symbols",
        title="Curated loops on a few symbols: choices, real data, and two bounds",
        source="Ferbach et al., Lemmas 2.1 and 2.2",
        simulation=curation.symbols,
        draw=draw_symbols,
        findings=symbol_findings,
        caption="Each point is the chosen one of K by Luce's rule. (a) Without real data the better of two "
        "symbols takes over. (b) With λ curated points per real point the gain stops at a fixed point; "
        "dotted: λ/(1+λ) (K-1)/K Var, which holds in every generation. (c) Two symbols with a rare good "
        "one. Bands are two standard errors of sampled loops.",
    ),
    Figure(
        name="ferbach_maps",
        title="Eight modes: curation keeps those of the best reward, real data keep all",
        source="Ferbach et al., mixture of Gaussians",
        simulation=curation.mixture,
        draw=draw_maps,
        findings=map_findings,
        caption="Exact laws of infinitely many points, K = 2, on the cells of a grid. Modes have a standard "
        "deviation of 0.02 and are blurred to be seen; orange: edge of the plateau of the largest reward.",
    ),
    Figure(
        name="ferbach_rewards",
        title="Mean and variance of the reward, curated only and with real data",
        source="Ferbach et al., Lemma 2.2",
        simulation=curation.mixture,
        draw=draw_rewards,
        findings=reward_findings,
        caption="The loops of the maps above, exact (dashed) and by 5,000 points chosen from 10,000; bands "
        "are two standard errors. Right, exact: the expected exponential, which never falls, above its "
        "bound.",
    ),
)
