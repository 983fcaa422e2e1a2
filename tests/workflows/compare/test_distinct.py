"""A method that is spelled in two ways is one method, for a scan and for a set of scans."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_heads import Case as Head

from napari_brain_uad import cli
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.workflows.cohort.case import Case
from napari_brain_uad.workflows.cohort.cohort import evaluate_cohort
from napari_brain_uad.workflows.cohort.stress import stress_cohort
from napari_brain_uad.workflows.cohort.sweep import parse_sweep, sweep_cohort
from napari_brain_uad.workflows.compare.compare import compare
from napari_brain_uad.workflows.compare.distinct import check_distinct, specs_of
from napari_brain_uad.workflows.models.models import default_model, shipped_models


@pytest.fixture
def twice() -> tuple[str, str]:
    """The method with the model that it takes by itself for FLAIR, named and not."""
    model = default_model("vae", "FLAIR")
    assert model is not None
    return "vae", f"vae:{model.id}"


def test_a_model_that_is_named_is_the_one_that_would_be_taken_anyway(twice: tuple[str, str], case: Head) -> None:
    why = f"'vae' and '{twice[1]}' are one method"
    with pytest.raises(InputError, match=why):
        compare(case.scan, twice)
    model = default_model("vae", "FLAIR")
    assert model is not None
    with pytest.raises(InputError, match="are one method"):
        compare(case.scan, ["vae", f"vae:{model.path}"])
    with pytest.raises(InputError, match="named twice"):
        compare(case.scan, twice, models={"vae": twice[1].partition(":")[2]})


def test_a_setting_as_the_model_has_it_makes_no_other_method(twice: tuple[str, str]) -> None:
    model = default_model("vae", "FLAIR")
    assert model is not None
    latent = model.params["latent"]
    with pytest.raises(InputError, match=f"'vae' and 'vae@latent={latent}' are one method"):
        check_distinct(specs_of(["vae", f"vae@latent={latent}"], None), ["FLAIR"])
    check_distinct(specs_of(["vae", f"vae@latent={latent + 1}"], None), ["FLAIR"])


def test_what_is_one_method_for_some_sequences_alone_stays_two_in_a_set() -> None:
    models = [model for model in shipped_models() if "FLAIR" in model.sequences and default_model(model.method, "FLAIR") == model]
    specs = specs_of([models[0].method, f"{models[0].method}:{models[0].id}"], None)
    check_distinct(specs, ["FLAIR", "no sequence"])
    with pytest.raises(InputError, match="one method"):
        check_distinct(specs, ["FLAIR", "FLAIR"])


def test_a_set_of_scans_is_refused_before_one_is_scored(twice: tuple[str, str], case: Head) -> None:
    cases = [Case(name, case.scan, case.truth, case.mask, sequence="FLAIR") for name in ("one", "two")]
    settings = parse_sweep(["median=0,3"], PostParams(), "auto")
    for work in (evaluate_cohort, stress_cohort, lambda cases, methods: sweep_cohort(cases, methods, settings)):
        with pytest.raises(InputError, match=f"'vae' and '{twice[1]}' are one method"):
            work(cases, twice)


def test_the_command_line_names_both_spellings(case: Head, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", str(case.scan), "--methods", "threshold,threshold@bins=256", "--out", str(tmp_path / "out")]
    assert cli.main(words) == InputError.exit_code
    assert "'threshold' and 'threshold@bins=256' are one method" in capsys.readouterr().err


def test_copies_of_one_model_under_two_names_are_one_method(tmp_path: Path) -> None:
    model = default_model("vae", "FLAIR")
    assert model is not None
    copies = []
    for name in ("first", "second"):
        for ending in (".json", ".safetensors"):
            (tmp_path / f"{name}{ending}").write_bytes(model.path.with_suffix(ending).read_bytes())
        copies.append(f"vae:{tmp_path / name}.safetensors")
    with pytest.raises(InputError, match="are one method"):
        check_distinct(specs_of(copies, None), ["FLAIR"])
