//! One test a rule of the layers, on a small configuration with a choice, an option and a map.

use std::fs;
use std::path::Path as FsPath;

use serde::Deserialize;

use super::*;
use crate::hints::Failure;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    seed: u64,
    name: String,
    checkpoint: Option<String>,
    rl: Rl,
    schedule: Schedule,
    weights: BTreeMap<String, Weight>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Rl {
    group_size: u16,
    learning_rate: f64,
    levels: Vec<u16>,
    loss: Loss,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Loss {
    Grpo,
    DrGrpo,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum Schedule {
    Balanced {},
    Only {
        #[serde(default)]
        level: u16,
    },
    Gaussian {
        #[serde(default = "half")]
        mu_exp: f64,
        #[serde(default = "half")]
        sigma: f64,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Weight {
    value: f64,
}

fn half() -> f64 {
    0.5
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 42,
            name: "run".to_owned(),
            checkpoint: None,
            rl: Rl::default(),
            schedule: Schedule::Gaussian { mu_exp: 0.25, sigma: 0.75 },
            weights: BTreeMap::new(),
        }
    }
}

impl Default for Rl {
    fn default() -> Self {
        Self { group_size: 8, learning_rate: 1e-6, levels: vec![0, 1], loss: Loss::Grpo }
    }
}

const PRESETS: &[(&str, &str)] = &[
    ("nano", "name = \"nano\"\nrl.group_size = 16\n"),
    ("pico", "inherit = \"nano\"\nrl.learning_rate = 0.5\n"),
];

fn layers() -> Layers<'static, Config> {
    let examples = vec![
        Config {
            checkpoint: Some("a".to_owned()),
            schedule: Schedule::Balanced {},
            weights: BTreeMap::from([("*".to_owned(), Weight::default())]),
            ..Config::default()
        },
        Config { schedule: Schedule::Only { level: 0 }, ..Config::default() },
    ];
    Layers::new(examples, PRESETS)
}

fn problems(layers: Layers<'_, Config>) -> Vec<String> {
    let problems = layers.resolve().expect_err("a configuration with mistakes");
    problems.0.iter().map(ToString::to_string).collect()
}

fn write(folder: &FsPath, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).expect("a writable folder");
    path
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Where the dotted `key` comes from; [`Origin::Default`] for a key without a value.
fn origin<'a, T>(resolved: &'a Resolved<T>, key: &str) -> &'a Origin {
    let entry = resolved.entries.iter().find(|entry| entry.key == key);
    entry.map_or(&Origin::Default, |entry| &entry.origin)
}

#[test]
fn without_layers_every_key_is_the_default() {
    let resolved = layers().resolve().expect("valid");
    assert_eq!(resolved.value, Config::default());
    assert!(resolved.entries.iter().all(|entry| entry.origin == Origin::Default));
}

#[test]
fn a_later_layer_wins_whatever_the_order_of_the_calls() {
    let folder = folder();
    let a = write(folder.path(), "a.toml", "seed = 1\nname = \"a\"\n");
    let b = write(folder.path(), "b.toml", "# a comment\nseed = 2\n\n[rl]\ngroup_size = 4\n");
    let resolved = layers()
        .flag("--seed", "seed", 7)
        .set("rl.group_size=5")
        .set("rl.group_size=6")
        .file(&a)
        .file(&b)
        .preset("pico")
        .resolve()
        .expect("valid");
    assert_eq!((resolved.value.seed, resolved.value.rl.group_size), (7, 6), "{}", resolved.show());
    assert_eq!(resolved.value.name, "a");
    assert_eq!(origin(&resolved, "seed").to_string(), "--seed");
    assert_eq!(origin(&resolved, "rl.group_size").to_string(), "--set");
    assert_eq!(origin(&resolved, "name"), &Origin::File(a, 2));
    assert_eq!(origin(&resolved, "rl.learning_rate").to_string(), "preset pico");
    assert_eq!(origin(&resolved, "rl.levels"), &Origin::Default);
    let only_file = layers().file(&b).resolve().expect("valid");
    assert_eq!(origin(&only_file, "rl.group_size"), &Origin::File(b, 5));
}

#[test]
fn show_lists_value_and_origin_and_is_itself_a_valid_file() {
    let resolved = layers()
        .preset("nano")
        .set("schedule.kind=only")
        .set("weights.hard.value=2")
        .flag("--checkpoint", "checkpoint", "base")
        .resolve()
        .expect("valid");
    let expected = "\
checkpoint = \"base\"          # --checkpoint
name = \"nano\"                # preset nano
seed = 42                    # default
rl.group_size = 16           # preset nano
rl.learning_rate = 0.000001  # default
rl.levels = [0, 1]           # default
rl.loss = \"grpo\"             # default
schedule.kind = \"only\"       # --set
schedule.level = 0           # default
weights.hard.value = 2.0     # --set
";
    assert_eq!(resolved.show(), expected);
    let folder = folder();
    for text in [resolved.show(), resolved.text.clone()] {
        let path = write(folder.path(), "again.toml", &text);
        let again = layers().file(path).resolve().expect("valid");
        assert_eq!(again.value, resolved.value);
        assert_eq!(again.text, resolved.text);
    }
}

#[test]
fn a_set_value_is_toml_or_else_a_string() {
    let resolved = layers()
        .set("name=countdown base")
        .set("rl.levels=[2, 3]")
        .set("rl.learning_rate=1e-4")
        .set("rl.loss=dr_grpo")
        .set("checkpoint=\"quoted\"")
        .resolve()
        .expect("valid")
        .value;
    assert_eq!(resolved.name, "countdown base");
    assert_eq!(resolved.rl.levels, [2, 3]);
    assert_eq!(resolved.rl.learning_rate, 1e-4);
    assert_eq!(resolved.rl.loss, Loss::DrGrpo);
    assert_eq!(resolved.checkpoint.as_deref(), Some("quoted"));
    let number = layers().set("name=42").resolve().expect("valid").value;
    assert_eq!(number.name, "42");
}

#[test]
fn a_file_lies_above_what_it_inherits() {
    let folder = folder();
    fs::create_dir(folder.path().join("sub")).expect("a writable folder");
    write(folder.path(), "base.toml", "inherit = \"pico\"\nseed = 1\nrl.group_size = 3\n");
    let top = write(folder.path(), "sub/top.toml", "inherit = \"../base.toml\"\nseed = 2\n");
    let value = layers().file(top).resolve().expect("valid").value;
    assert_eq!((value.seed, value.rl.group_size), (2, 3));
    assert_eq!((value.rl.learning_rate, &value.name[..]), (0.5, "nano"));
}

#[test]
fn files_that_inherit_each_other_are_an_error_with_the_chain() {
    let folder = folder();
    write(folder.path(), "b.toml", "inherit = \"a.toml\"\n");
    let a = write(folder.path(), "a.toml", "seed = 1\ninherit = \"b.toml\"\n");
    let all = problems(layers().file(&a));
    let [only] = &all[..] else { panic!("one problem: {all:?}") };
    assert!(
        only.contains("b.toml:1: inherits itself: ") && only.matches(" -> ").count() == 2,
        "{only}"
    );
}

#[test]
fn an_unknown_name_and_an_absent_file_are_told_apart() {
    let all = problems(layers().preset("nono").file("nowhere/nan.toml").file("nowhere/else.toml"));
    assert_eq!(all[0], "there is no preset `nono`");
    assert!(all[1].starts_with("nowhere/nan.toml: cannot read: "));
    assert!(all[1].ends_with("did you mean the preset `nano`?"));
    assert!(!all[2].contains("preset"), "{}", all[2]);
}

#[test]
fn all_problems_of_all_layers_are_reported_at_once() {
    let folder = folder();
    let a = write(
        folder.path(),
        "a.toml",
        "sede = 1\n\n[rl]\ngrup_size = 3\nlearning_rate = \"fast\"\n",
    );
    let b = write(folder.path(), "b.toml", "[rl\n");
    let all = problems(
        layers()
            .file(&a)
            .file(&b)
            .set("group_size=3")
            .set("rl.loss=ppo")
            .set("rl.group_size=70000")
            .set("seed")
            .flag("--levels", "rl.levels", 3),
    );
    let (a, b) = (a.display(), b.display());
    let expected = [
        format!("{a}:4: unknown key `rl.grup_size`, did you mean `rl.group_size`?"),
        format!("{a}:5: `rl.learning_rate` must be float, got string \"fast\""),
        format!("{a}:1: unknown key `sede`, did you mean `seed`?"),
        format!("{b}:1: not valid TOML: "),
        "--set: unknown key `group_size`, did you mean `rl.group_size`?".to_owned(),
        "--set: `seed` has no value, write KEY=VALUE".to_owned(),
        "--levels: `rl.levels` must be array, got integer 3".to_owned(),
        "--set: `rl.group_size`: ".to_owned(),
        "--set: `rl.loss`: unknown variant `ppo`, expected `grpo` or `dr_grpo`".to_owned(),
    ];
    assert_eq!(all.len(), expected.len(), "{all:#?}");
    for (got, start) in all.iter().zip(&expected) {
        assert!(got.starts_with(start.as_str()), "{got}\nnot {start}");
    }
}

#[test]
fn a_change_of_kind_drops_the_keys_of_the_former_kind() {
    let folder = folder();
    let file = write(folder.path(), "a.toml", "[schedule]\nkind = \"gaussian\"\nsigma = 0.1\n");
    let balanced = layers().file(&file).set("schedule.kind=balanced").resolve();
    assert_eq!(balanced.expect("valid").value.schedule, Schedule::Balanced {});
    // The default of the same kind lies below the file: mu_exp is the type's, sigma the file's.
    let gaussian = layers().file(&file).resolve().expect("valid").value;
    let expected = Schedule::Gaussian { mu_exp: 0.25, sigma: 0.1 };
    assert_eq!(gaussian.schedule, expected);
}

#[test]
fn a_key_of_another_kind_is_an_error() {
    let all = problems(layers().set("schedule.kind=only").set("schedule.sigma=0.3"));
    assert_eq!(all, ["--set: `schedule.sigma` has no meaning with kind \"only\""]);
    let all = problems(layers().set("schedule.kind=gausian"));
    assert_eq!(all.len(), 1);
    assert!(all[0].contains("unknown variant `gausian`"), "{}", all[0]);
}

#[test]
fn any_name_is_a_key_of_a_map_and_its_fields_are_checked() {
    let value = layers().set("weights.a.value=1").resolve().expect("valid");
    assert_eq!(value.value.weights["a"].value, 1.0);
    let all = problems(layers().set("weights.a.valeu=1"));
    assert_eq!(all, ["--set: unknown key `weights.a.valeu`, did you mean `weights.a.value`?"]);
    let folder = folder();
    let file = write(folder.path(), "a.toml", "[weights.b]\n");
    let value = layers().file(file).resolve().expect("valid").value;
    assert_eq!(value.weights["b"], Weight::default());
    let file = write(folder.path(), "b.toml", "[weights.\"a b\"]\nvalue = 2\n");
    let spaced = layers().file(file).resolve().expect("valid");
    assert!(spaced.show().contains("weights.\"a b\".value = 2.0"));
}

#[test]
fn problems_print_as_a_failure_of_usage() {
    let one = layers().set("sede=1").resolve().expect_err("a mistake");
    let text = Failure::from(one).to_string();
    assert!(
        text.starts_with(
            "error: configuration: --set: unknown key `sede`, did you mean `seed`?\n\nhint: "
        ),
        "{text}"
    );
    let two = layers().set("sede=1").set("x=1").resolve();
    let text = Failure::from(two.expect_err("two mistakes")).to_string();
    assert!(
        text.starts_with("error: configuration: 2 problems\n  --set: unknown key `sede`"),
        "{text}"
    );
}

/// A choice written as one flat table, where a key that is left out is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Flat {
    kind: String,
    floor: Option<f64>,
    level: Option<u16>,
    sigma: Option<f64>,
}

#[test]
fn a_flat_choice_keeps_what_the_kinds_share_and_drops_the_rest() {
    let example =
        |kind: &str, level, sigma| Flat { kind: kind.to_owned(), floor: Some(0.0), level, sigma };
    let examples = vec![example("only", Some(0), None), example("gaussian", None, Some(0.5))];
    let presets = [("a", "kind = \"gaussian\"\nsigma = 0.3\nfloor = 0.1\n")];
    let resolved = Layers::new(examples, &presets)
        .preset("a")
        .set("kind=only")
        .set("level=2")
        .resolve()
        .expect("valid");
    let expected = Flat { floor: Some(0.1), ..example("only", Some(2), None) };
    assert_eq!(resolved.value, expected);
    assert_eq!(origin(&resolved, "floor").to_string(), "preset a");
}
