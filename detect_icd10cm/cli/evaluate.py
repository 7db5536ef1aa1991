"""`detect-icd10cm evaluate`: how often predictions are right."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from detect_icd10cm.cli.terminal import loading, stdout_console


def evaluate(
    gold: Annotated[
        Path, typer.Argument(help="Labelled notes: our JSONL, CodiEsp TSV, MDACE JSON, a BRAT folder, CSV of codes.")
    ],
    predictions: Annotated[
        list[Path] | None,
        typer.Argument(
            help="What detect wrote, or a CodiEsp TSV or CSV of codes; with a second one, the two compared."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Predict the gold notes with it first: base, lexicon, or the folder of a checkpoint."),
    ] = None,
    gold_format: Annotated[
        str | None, typer.Option(help="jsonl, codiesp, mdace, brat or csv, where the name does not say it.")
    ] = None,
    pred_format: Annotated[
        str | None, typer.Option(help="jsonl, csv, parquet or codiesp, where the name does not say it.")
    ] = None,
    texts: Annotated[Path | None, typer.Option(help="Folder of CodiEsp texts, such as text_files_en.")] = None,
    train: Annotated[
        Path | None, typer.Option(help="Labelled notes that were trained on, for codes seen and unseen.")
    ] = None,
    release: Annotated[
        str | None, typer.Option(help="Code set for chapters and for mapping old codes; the newest by default.")
    ] = None,
    gold_release: Annotated[
        str | None, typer.Option(help="Code set that gold was coded with; by default that of each note's date.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write a page with plots and the errors in their sentences.")
    ] = None,
    no_text: Annotated[bool, typer.Option("--no-text", help="Leave the text of notes out of the page.")] = False,
    json_output: Annotated[
        Path | None, typer.Option("--json", help="Write all figures; - for standard output.")
    ] = None,
    resamples: Annotated[int, typer.Option(min=1, help="Draws for intervals and comparisons.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
) -> None:
    """Compare predictions with labelled notes: mentions, document codes, confidence, indications, and the errors."""
    from detect_icd10cm import evaluation

    targets = [path for path in (html, None if json_output == Path("-") else json_output) if path]
    sources = [path for path in (gold, *(predictions or ()), train, texts) if path]
    evaluation.check_targets(targets, sources)
    with loading("Evaluating"):
        result = evaluation.evaluate_files(
            gold,
            predictions or (),
            model=model,
            gold_format=gold_format,
            pred_format=pred_format,
            texts=texts,
            train=train,
            release=release,
            gold_release=gold_release,
            n_resamples=resamples,
            seed=seed,
        )
    if html:
        evaluation.write_html(result, html, with_text=not no_text)
    if json_output:
        evaluation.write_json(result, json_output)
    if json_output != Path("-"):
        evaluation.print_evaluation(result, stdout_console())
