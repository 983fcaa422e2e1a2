"""The recipes behind the models: what they say fits the methods, training by them, and subjects that lie as registered scans do."""

from __future__ import annotations

import os
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from safetensors.numpy import load_file
from small_head import head_labels

from napari_brain_uad.cli import main
from napari_brain_uad.core.errors import Cancelled, InputError, ModelError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.detectors.autoencoder.vae import VAE
from napari_brain_uad.detectors.base.stages import EstimateStage
from napari_brain_uad.detectors.registry import method_class
from napari_brain_uad.detectors.tissue.hyperintensity_segmentation import HyperintensitySegmentation
from napari_brain_uad.detectors.tissue.tissue_ensemble import TissueEnsemble
from napari_brain_uad.io.checkpoint import load_checkpoint
from napari_brain_uad.io.json_files import read_json
from napari_brain_uad.preprocessing.template import MNI_GRID, template
from napari_brain_uad.training.session import TrainingSession
from napari_brain_uad.workflows.models.models import shipped_models
from napari_brain_uad.workflows.train import recipe as recipe_module
from napari_brain_uad.workflows.train.recipe import OF_A_RECIPE, TRAINED, VALIDATED, _RecipeRun, recipe, recipes, train_recipe
from napari_brain_uad.workflows.train.recipe_scans import corners, on_template, training_scans, validation_scans
from napari_brain_uad.workflows.train.training_record import checkpoints_in

COHORTS = Path(recipe_module.__file__).with_name("recipe_subjects.json")
SHORT = {"steps": 2, "batch_size": 4, "warmup_steps": 0}


def test_recipes_are_settings_of_their_methods() -> None:
    for own in recipes().values():
        found = method_class(own["method"])
        detector = found(found.Params.from_dict(own["params"]))
        assert (found.Training is None) == ("trainings" not in own)
        assert set(own.get("stages", {})) <= {stage.name for stage in detector.stages()}
        for stage in (own, *own.get("stages", {}).values()):
            for settings in stage.get("trainings", ()):
                assert found.Training is not None
                unlike = settings.get("params", {})
                found.Training.from_dict({name: value for name, value in settings.items() if name not in OF_A_RECIPE})
                found.Params.from_dict(own["params"] | unlike)
                roles = {name: info.role for name, _, info in found.Params.describe()}
                assert {roles[name] for name in unlike} <= {"training"}, "a network cannot change between its trainings"


def test_shipped_models_have_the_settings_of_their_recipes() -> None:
    for model in shipped_models():
        made, own = load_checkpoint(model.path), recipe(model.id)
        found = method_class(made.method)
        assert found.Params.from_dict(made.params) == found.Params.from_dict(own["params"]), model.id
        trained = {stage: one for stage, one in made.meta.get("stages", {"": made.meta}).items() if "steps" in one}
        assert bool(trained) == ("trainings" in own)
        for stage, one in trained.items():
            trainings = own.get("stages", {}).get(stage, own)["trainings"]
            assert one["steps"] == sum(training["steps"] for training in trainings), (model.id, stage)


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As many label maps as a recipe asks for, of one small head."""
    folder = tmp_path_factory.mktemp("maps")
    for number in range(VALIDATED):
        nib.Nifti1Image(head_labels(), np.eye(4)).to_filename(folder / f"{number:02d}.nii.gz")
    return folder


def own_recipe(method: str, params: dict[str, Any], **more: Any) -> dict[str, Any]:
    scans = {"contrasts": {"T1": 1}, "kinds": [{"pose": "template", "rims_mm": [1.0]}]}
    return {"method": method, "title": "t", "sequences": ["T1"], "seed": 3, "params": params, "scans": scans, "trainings": [SHORT], **more}


def test_a_model_of_one_network_is_what_fitting_it_gives(maps: Path, tmp_path: Path) -> None:
    own = own_recipe("vae", dict(VAE.Params.PRESETS["tiny"]))
    train_recipe(own, maps, tmp_path / "m")
    by_hand = VAE(VAE.Params.preset("tiny"))
    paths = sorted(maps.glob("*.nii.gz"))
    by_hand.fit(training_scans(own["scans"], paths[:TRAINED], 3), seed=3, training=VAE.Training.from_dict(SHORT))
    written = load_checkpoint(tmp_path / "m").state
    assert all(np.array_equal(written[name], array) for name, array in by_hand.shipped_state().items())
    assert (tmp_path / "m.card.json").is_file()


def test_stages_have_scans_and_trainings_of_their_own(maps: Path, tmp_path: Path) -> None:
    """The second training of a network begins with the weights of the first; another first stage does not change the second."""
    params = dict(TissueEnsemble.Params.PRESETS["tiny"]) | {"pixel_mm": 3.0}
    kinds = [{"pose": "template", "rims_mm": [1.0]}, {"pose": "scanner", "rims_mm": [0.0], "spacing_mm": 3.0}]
    segmentation = {"seed": 5, "scans": {"contrasts": {"T1": 1}, "kinds": kinds}}
    settings = SHORT | {"schedule": "constant"}
    twice = own_recipe("tissue-ensemble", params, stages={"segmentation": {**segmentation, "trainings": [settings, settings]}})
    once = own_recipe("tissue-ensemble", params, seed=4, stages={"segmentation": {**segmentation, "trainings": [settings]}})
    both, first = (train_recipe(one, maps, tmp_path / name).state() for name, one in (("twice", twice), ("once", once)))
    again = train_recipe(twice, maps, tmp_path / "twice", overwrite=True).state()
    places = [path.parent.relative_to(tmp_path / "twice").as_posix() for path in checkpoints_in(tmp_path / "twice")]
    assert places == ["restoration", "segmentation/1", "segmentation/2"]
    last = "segmentation.last.weight"
    np.testing.assert_array_equal(again[last], both[last])
    assert 0 < np.abs(both[last] - first[last]).max() < 0.01
    meta = load_checkpoint(tmp_path / "twice").meta
    assert [one["seed"] for one in meta["stages"]["segmentation"]["trainings"]] == [5, 6]
    assert len(meta["stages"]["segmentation"]["scans"]) == 2
    assert meta["stages"]["restoration"]["steps"] == 2


def test_a_stage_is_taken_from_a_model_or_begins_with_its_weights(maps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is taken is the model's to the bit; what begins with its weights is not what begins with none."""
    monkeypatch.setenv("BRAIN_UAD_MODELS", str(tmp_path / "models"))
    params = dict(TissueEnsemble.Params.PRESETS["tiny"]) | {"pixel_mm": 3.0}
    train_recipe(own_recipe("tissue-ensemble", params), maps, tmp_path / "models" / "first")
    first = load_checkpoint(tmp_path / "models" / "first")
    own = own_recipe("tissue-ensemble", params, seed=9, start="first", stages={"restoration": {"start": "first"}})
    train_recipe(own, maps, tmp_path / "second")
    second = load_checkpoint(tmp_path / "second")
    taken, trained = ([name for name in first.state if name.startswith(stage)] for stage in ("restoration", "segmentation"))
    assert all(np.array_equal(second.state[name], first.state[name]) for name in taken)
    weights = [name for name in trained if name.endswith("weight")]
    assert 0 < max(np.abs(second.state[name].astype(float) - first.state[name]).max() for name in weights) < 0.02
    stages = second.meta["stages"]
    assert stages["restoration"] == {"model": stages["segmentation"]["model"]}
    assert stages["restoration"]["model"]["name"] == "first"
    assert stages["segmentation"]["steps"] == 2
    assert "borrowed" not in second.meta, "only models of the package are there wherever a model goes"
    data = read_json(tmp_path / "second.card.json")["data"]
    assert data.endswith(
        "for the stage restoration: what the model first has learned in it; began as what the model first has learned in it"
    )


def test_a_stage_of_a_model_of_the_package_is_not_kept_twice(maps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "package"
    monkeypatch.setattr("napari_brain_uad.workflows.models.models.shipped_dir", lambda: package)
    monkeypatch.setattr("napari_brain_uad.io.checkpoint._WEIGHTS", package)
    params = dict(TissueEnsemble.Params.PRESETS["tiny"]) | {"pixel_mm": 3.0}
    train_recipe(own_recipe("tissue-ensemble", params), maps, package / "first")
    first = load_checkpoint(package / "first")
    own = own_recipe("tissue-ensemble", params, seed=9, start="first", stages={"restoration": {"start": "first"}})
    train_recipe(own, maps, tmp_path / "second")
    second = load_checkpoint(tmp_path / "second")
    assert second.meta["borrowed"] == {"restoration": {"name": "first", "sha256": first.sha256}}
    assert set(second.state) == set(first.state)
    kept = load_file(tmp_path / "second.safetensors")
    assert kept
    assert all(name.startswith("segmentation.") for name in kept)
    taken = [name for name in first.state if name.startswith("restoration")]
    assert all(np.array_equal(second.state[name], first.state[name]) for name in taken)

    taker = own_recipe("tissue-ensemble", params, seed=9, stages={"restoration": {"start": "second"}})
    (tmp_path / "second.safetensors").rename(package / "second.safetensors")
    (tmp_path / "second.json").rename(package / "second.json")
    train_recipe(taker, maps, tmp_path / "third")
    third = load_checkpoint(tmp_path / "third")
    assert third.meta["borrowed"] == second.meta["borrowed"], "what is borrowed is not in the borrower's file"
    assert set(third.state) == set(first.state)


def test_a_recipe_that_begins_with_a_model_which_is_not_there_writes_nothing(maps: Path, tmp_path: Path) -> None:
    own = own_recipe("vae", dict(VAE.Params.PRESETS["tiny"]), start="nowhere")
    with pytest.raises(ModelError, match="nowhere"):
        train_recipe(own, maps, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def stopped(own: dict[str, Any], maps: Path, out: Path, **more: Any) -> None:
    progress = Progress()
    with pytest.raises(Cancelled):
        train_recipe(own, maps, out, report=lambda _: progress.cancel(), progress=progress, **more)


def test_an_interrupted_training_goes_on_as_itself_alone(maps: Path, tmp_path: Path) -> None:
    """Trainings after the first have folders within that of their stage."""
    own = own_recipe("vae", dict(VAE.Params.PRESETS["tiny"]), trainings=[SHORT | {"validate_every": 1}] * 2)
    train_recipe(own, maps, tmp_path / "straight")
    out = tmp_path / "m"
    stopped(own, maps, out)
    others = tmp_path / "others"
    shutil.copytree(maps, others)
    (others / "12.nii.gz").rename(others / "99.nii.gz")
    with pytest.raises(ModelError, match=r"changes\.steps = null, not 1.*--overwrite"):
        train_recipe(own, maps, out, changes={"steps": 1})
    with pytest.raises(ModelError, match=r"data\.label_maps"):
        train_recipe(own, others, out)
    with pytest.raises(ModelError, match=r"recipe\.title"):
        train_recipe(own | {"title": "another"}, maps, out)
    train_recipe(own, maps, out)
    one, other = load_checkpoint(out), load_checkpoint(tmp_path / "straight")
    assert all(np.array_equal(one.state[name], other.state[name]) for name in other.state)
    assert one.meta["steps"] == 4


def test_a_training_may_have_settings_of_its_own(maps: Path, tmp_path: Path) -> None:
    """As a network that goes on with other synthetic anomalies."""
    settings = HyperintensitySegmentation.Params.PRESETS["tiny"] | {"pixel_mm": 4.0, "height": 64, "width": 64}
    ill = {"white_lesion_share": 1.0}
    trainings = [SHORT | {"params": dict.fromkeys(ill, 0.0)}, SHORT]
    whole = own_recipe("hyperintensity-segmentation", settings | ill, trainings=trainings)
    train_recipe(whole, maps, tmp_path / "whole")
    train_recipe(own_recipe("hyperintensity-segmentation", settings), maps, tmp_path / "first")
    train_recipe(own_recipe("hyperintensity-segmentation", settings, trainings=[SHORT, SHORT]), maps, tmp_path / "alike")
    first, alike, made = (load_checkpoint(tmp_path / name) for name in ("first", "alike", "whole"))
    assert made.meta["trainings"][0]["params"] == trainings[0]["params"]
    assert "params" not in made.meta["trainings"][1]
    begun, differs = (load_checkpoint(tmp_path / name / "1" / "checkpoint") for name in ("whole", "alike"))
    assert all(np.array_equal(begun.state[name], differs.state[name]) for name in begun.state), "the first training has its own"
    assert any(not np.array_equal(made.state[name], alike.state[name]) for name in made.state), "and the second the recipe's"
    assert made.params["white_lesion_share"] == 1.0
    assert set(first.state) == set(made.state)


@pytest.mark.parametrize(
    ("place", "settings", "why"),
    [
        (1, {"params": {"latent": 3}}, "latent is no setting of how the method learns"),
        (1, {"params": {"nothing": 3}}, "no setting 'nothing'"),
        (1, {"start_share": 1.5}, "start_share is 1.5"),
        (1, {"start_share": "much"}, "start_share is 'much'"),
        (0, {"start_share": 0.5}, "no weights to keep a share of"),
    ],
)
def test_what_a_training_has_of_its_own_is_checked_before_the_first(
    maps: Path, tmp_path: Path, place: int, settings: dict[str, Any], why: str
) -> None:
    trainings = [SHORT | settings if number == place else SHORT for number in range(2)]
    with pytest.raises(InputError, match=why):
        train_recipe(own_recipe("vae", dict(VAE.Params.PRESETS["tiny"]), trainings=trainings), maps, tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_a_training_may_keep_a_share_of_the_weights_it_began_with(maps: Path, tmp_path: Path) -> None:
    params = dict(VAE.Params.PRESETS["tiny"])
    found = {}
    for share in (0.0, 0.25, 1.0):
        last = SHORT | {"learning_rate": 0.05, "start_share": share}
        train_recipe(own_recipe("vae", params, trainings=[SHORT, last]), maps, tmp_path / str(share))
        found[share] = load_checkpoint(tmp_path / str(share))
    train_recipe(own_recipe("vae", params), maps, tmp_path / "first")
    first = load_checkpoint(tmp_path / "first").state
    assert found[0.25].meta["trainings"][1]["start_share"] == 0.25
    weights = [name for name in first if np.issubdtype(first[name].dtype, np.floating)]
    end, mixed, same = ({name: one.state[name].astype(np.float32) for name in weights} for one in found.values())
    for name in weights:
        start = first[name].astype(np.float32)
        np.testing.assert_allclose(same[name], start, atol=1e-6)
        np.testing.assert_allclose(mixed[name], 0.25 * start + 0.75 * end[name], rtol=4e-3, atol=4e-3)
    assert max(np.abs(end[name] - same[name]).max() for name in weights) > 0.02


def test_float16_on_a_cpu_is_told_before_any_subject_is_made(maps: Path, tmp_path: Path) -> None:
    own = own_recipe("vae", dict(VAE.Params.PRESETS["tiny"]))
    with pytest.raises(InputError, match="no training in float16 on a CPU"):
        train_recipe(own, maps, tmp_path / "m", changes={"precision": "16"}, device="cpu")
    assert not (tmp_path / "m").exists()


def test_a_training_that_replaces_another_takes_nothing_over(maps: Path, tmp_path: Path) -> None:
    own = own_recipe("vae", dict(VAE.Params.PRESETS["tiny"]), trainings=[SHORT, SHORT])
    out = tmp_path / "m"
    train_recipe(own, maps, out, changes={"steps": 1})
    assert [path.parent.name for path in checkpoints_in(out)] == ["1", "2"]
    with pytest.raises(InputError, match="There is a model m already") as caught:
        train_recipe(own, maps, out)
    assert "--resume" not in caught.value.fix
    real = own["scans"] | {"real": {"cohort": next(iter(read_json(COHORTS, fix=""))), "contrasts": ["T1"]}}
    with pytest.raises(InputError, match="--healthy"):
        train_recipe(own | {"scans": real}, maps, out, overwrite=True)
    assert len(checkpoints_in(out)) == 2, "nothing is deleted before all scans are there"
    other = own | {"scans": own["scans"] | {"contrasts": {"T2": 1}}}
    train_recipe(other, maps, out, overwrite=True)
    train_recipe(other, maps, tmp_path / "straight")
    one, straight = load_checkpoint(out), load_checkpoint(tmp_path / "straight")
    assert all(np.array_equal(one.state[name], straight.state[name]) for name in straight.state)
    assert one.meta["steps"] == 4


def test_a_training_whose_folder_lies_in_another_s_is_not_its_stage(maps: Path, tmp_path: Path) -> None:
    own = own_recipe("vae", dict(VAE.Params.PRESETS["tiny"]))
    train_recipe(own, maps, tmp_path / "m")
    train_recipe(own, maps, tmp_path / "m" / "within")
    train_recipe(own, maps, tmp_path / "m", overwrite=True)
    assert [len(checkpoints_in(folder)) for folder in (tmp_path / "m", tmp_path / "m" / "within")] == [1, 1]


def test_threads_wait_without_spinning(maps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setattr("napari_brain_uad.workflows.train.recipe.recipes", lambda: {"small": own_recipe("vae", {})})
    monkeypatch.setattr("napari_brain_uad.workflows.train.recipe.train_recipe", lambda *_, **__: seen.append(os.environ["OMP_WAIT_POLICY"]))
    assert main(["train", "vae", str(maps), "--recipe", "small", "--out", str(tmp_path / "m"), "--quiet"]) == 0
    assert seen == ["PASSIVE"]


def test_a_method_of_networks_may_estimate_something_too(maps: Path, tmp_path: Path) -> None:
    stage = EstimateStage("bank", lambda volumes, how: {"scans": np.array([len(volumes)])})
    own = own_recipe("vae", {}, trainings=[SHORT, SHORT])
    run = _RecipeRun(own, sorted(maps.glob("*.nii.gz")), None, tmp_path, TrainingSession(), {"steps": 1})
    found, meta = run._stage(stage, {}, VAE.Training, Progress())
    assert found["scans"] == 1
    assert "trainings" not in meta
    assert not list(tmp_path.iterdir())


def test_the_command_repeats_a_recipe_and_refuses_what_is_not_in_it(
    maps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = own_recipe("vae", dict(VAE.Params.PRESETS["tiny"]))
    monkeypatch.setattr("napari_brain_uad.workflows.train.recipe.recipes", lambda: {"small": own})
    out = str(tmp_path / "m")
    words = ["train", "vae", str(maps), "--recipe", "small", "--out", out, "--quiet"]
    assert main([*words, "--train", "steps=1"]) == 0
    assert load_checkpoint(out).meta["steps"] == 1
    assert main(words) != 0
    assert "already" in capsys.readouterr().err
    assert main([*words, "--overwrite", "--set", "latent=3"]) != 0
    assert "takes no settings" in capsys.readouterr().err
    before = (tmp_path / "m.safetensors").read_bytes()
    assert main([*words, "--overwrite", "--anomalies", str(maps), "--seed", "3"]) == InputError.exit_code
    assert "--recipe: it says what is learned from, and how, and takes no --seed, --anomalies" in capsys.readouterr().err
    assert main([*words, "--overwrite", "--resume", "--validation", "0.1", "--devices", "2"]) == InputError.exit_code
    assert "takes no --resume, --validation, --devices" in capsys.readouterr().err
    assert (tmp_path / "m.safetensors").read_bytes() == before
    assert main(["train", "ce-vae", *words[2:]]) != 0
    assert "train vae" in capsys.readouterr().err
    assert main(["train", "vae", str(maps), "--healthy", str(maps), "--out", str(tmp_path / "other")]) != 0
    assert "--recipe too" in capsys.readouterr().err
    assert main([*words, "--overwrite", "--healthy", str(tmp_path / "nowhere")]) == InputError.exit_code
    assert "there is no such file" in capsys.readouterr().err
    assert main([*words, "--overwrite", "--healthy", str(maps)]) == InputError.exit_code
    assert "it names no real scans" in capsys.readouterr().err
    with pytest.raises(InputError, match="13 or more"):
        train_recipe(own, tmp_path, tmp_path / "other")


def test_the_command_tells_of_real_scans_as_a_training_without_a_recipe_does(
    maps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who could not be read, and who is no brain."""
    folder = tmp_path / "real"
    folder.mkdir()
    data = np.random.default_rng(0).normal(100, 10, (40, 40, 40)).astype(np.float32)
    nib.Nifti1Image(data, np.diag([4.0, 4.0, 4.0, 1.0])).to_filename(folder / "P0.nii.gz")
    (folder / "P1.nii.gz").write_bytes(b"damaged")
    who = {"words": "two people", "licence": "Scans: free", "weights": "as free", "ending": ".nii.gz", "names": ["P0", "P1"]}
    for user in ("cohorts", "recipe_scans", "recipe"):
        monkeypatch.setattr(f"napari_brain_uad.workflows.train.{user}.cohort", lambda _: who)
    own = own_recipe("vae", dict(VAE.Params.PRESETS["tiny"]))
    own["scans"] |= {"real": {"cohort": "two", "contrasts": ["T1"]}}
    monkeypatch.setattr("napari_brain_uad.workflows.train.recipe.recipes", lambda: {"small": own})
    out = str(tmp_path / "m")
    words = ["train", "vae", str(maps), "--recipe", "small", "--healthy", str(folder), "--out", out, "--quiet"]
    assert main(words) == InputError.exit_code
    told = capsys.readouterr()
    left_out, warned = told.err.splitlines()
    assert left_out.startswith("brain-uad: left out P1.nii.gz: its name says gzip")
    assert warned.startswith("brain-uad: warning: P0: the recipe takes it for brain extracted")
    assert "it covers 100% of the image" in warned
    assert "Model written" in told.out
    assert load_checkpoint(out).meta["left_out"] == ["P1"]


def test_subjects_of_an_atlas_fill_the_template(maps: Path) -> None:
    scans = {"contrasts": {"T1": 1}, "kinds": [{"pose": "template", "rims_mm": [0.0], "spacing_mm": 1.0, "scaling": 0.0}]}
    subjects = training_scans(scans, [next(maps.glob("*.nii.gz"))], 3)
    volume, brain = on_template(partial(subjects.__getitem__, 0)), template()
    assert not volume.grid.compare(MNI_GRID, "template")
    assert volume.mask is not None
    assert brain.mask is not None
    assert np.abs(corners(volume.mask) - corners(brain.mask)).max() <= 2.0
    assert subjects[0].grid.shape != MNI_GRID.shape
    assert not training_scans({**scans, "registered": True}, [next(maps.glob("*.nii.gz"))], 3)[0].grid.compare(MNI_GRID, "template")


def test_validation_has_kinds_and_counts_of_its_own(maps: Path) -> None:
    scans = {"contrasts": {"T1": 3, "T2": 4}, "kinds": [{"pose": "template", "rims_mm": [0.0]}] * 2}
    paths = [next(maps.glob("*.nii.gz"))]
    assert len(training_scans(scans, paths, 0)) == 14
    assert len(validation_scans(scans, paths, 0)) == 4
    assert len(validation_scans({**scans, "validation": {"count": 2, "kinds": scans["kinds"][:1]}}, paths, 0)) == 4
