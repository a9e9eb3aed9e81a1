//! Every parameter of every rule and filter, out of its range: one error, which names the bound.

use std::collections::BTreeSet;

use e2h_sched::{FilterConfig, FilterKind, Kind, ScheduleConfig};

/// (kind, key, value as written, the error), for 4 levels and 100 steps.
const RULES: &[(Kind, &str, &str, &str)] = &[
    (Kind::Only, "level", "4", "`level` is 4, but must be at most 3 (4 levels, counted from 0)"),
    (Kind::Gaussian, "mu_exp", "0.0", "`mu_exp` is 0, but must be a finite number greater than 0"),
    (
        Kind::Gaussian,
        "mu_exp",
        "inf",
        "`mu_exp` is inf, but must be a finite number greater than 0",
    ),
    (
        Kind::Gaussian,
        "sigma",
        "-0.5",
        "`sigma` is -0.5, but must be a finite number greater than 0",
    ),
    (Kind::Gaussian, "sigma", "nan", "`sigma` is NaN, but must be a finite number greater than 0"),
    (
        Kind::Gaussian,
        "min_prob",
        "0.26",
        "`min_prob` is 0.26, but must be at least 0 and at most 1 / 4 = 0.25 (4 levels)",
    ),
    (
        Kind::Gaussian,
        "min_prob",
        "-0.01",
        "`min_prob` is -0.01, but must be at least 0 and at most 1 / 4 = 0.25 (4 levels)",
    ),
    (Kind::Table, "rows", "[]", "`rows` is [], but must be at least one row"),
    (
        Kind::Table,
        "rows",
        "[[0.5, 0.5]]",
        "`rows[0]` is [0.5, 0.5], but must be a list of 4 probabilities, one a level",
    ),
    (
        Kind::Table,
        "rows",
        "[[0.5, 0.5, 0.5, 0.5]]",
        "`rows[0]` is [0.5, 0.5, 0.5, 0.5], but must be probabilities of at least 0 that sum to 1 (the sum is 2)",
    ),
    (
        Kind::Table,
        "rows",
        "[[1.5, -0.5, 0.0, 0.0]]",
        "`rows[0]` is [1.5, -0.5, 0.0, 0.0], but must be probabilities of at least 0 that sum to 1 (the sum is 1)",
    ),
    (Kind::Table, "file", "\"no/such.csv\"", "cannot read no/such.csv"),
    (Kind::Piecewise, "points", "[]", "`points` is [], but must be at least one point"),
    (
        Kind::Piecewise,
        "points",
        "[{ step = 3, probs = [1.0, 0.0, 0.0, 0.0] }]",
        "`points[0].step` is 3, but must be 0",
    ),
    (
        Kind::Piecewise,
        "points",
        "[{ step = 0, probs = [1, 0, 0, 0] }, { step = 0, probs = [0, 0, 0, 1] }]",
        "`points[1].step` is 0, but must be greater than the step before it, 0",
    ),
    (
        Kind::Piecewise,
        "points",
        "[{ step = 0, probs = [1.0, 1.0, 0.0, 0.0] }]",
        "`points[0].probs` is [1.0, 1.0, 0.0, 0.0], but must be probabilities of at least 0 that sum to 1 (the sum is 2)",
    ),
    (Kind::Sec, "alpha", "0.0", "`alpha` is 0, but must be greater than 0 and at most 1"),
    (Kind::Sec, "alpha", "1.5", "`alpha` is 1.5, but must be greater than 0 and at most 1"),
    (Kind::Sec, "tau", "0.0", "`tau` is 0, but must be a finite number greater than 0"),
    (Kind::AdaRft, "eta", "-1.0", "`eta` is -1, but must be a finite number greater than 0"),
    (Kind::AdaRft, "alpha", "0.0", "`alpha` is 0, but must be a finite number greater than 0"),
    (Kind::AdaRft, "beta", "1.1", "`beta` is 1.1, but must be at least 0 and at most 1"),
    (Kind::Dump, "window", "0", "`window` is 0, but must be at least 1"),
    (Kind::Dump, "tau", "-1.0", "`tau` is -1, but must be a finite number greater than 0"),
    (Kind::GroupDro, "w_dro", "-1.0", "`w_dro` is -1, but must be a finite number of at least 0"),
    (Kind::GroupDro, "w_sec", "nan", "`w_sec` is NaN, but must be a finite number of at least 0"),
    (
        Kind::GroupDro,
        "w_gaussian",
        "inf",
        "`w_gaussian` is inf, but must be a finite number of at least 0",
    ),
    (
        Kind::GroupDro,
        "w_dro",
        "0.0\nw_sec = 0.0\nw_gaussian = 0.0",
        "`w_dro + w_sec + w_gaussian` is 0, but must be a finite number greater than 0",
    ),
    (
        Kind::GroupDro,
        "dro_rate",
        "0.0",
        "`dro_rate` is 0, but must be a finite number greater than 0",
    ),
    (Kind::GroupDro, "alpha", "2.0", "`alpha` is 2, but must be greater than 0 and at most 1"),
    (Kind::GroupDro, "tau", "0.0", "`tau` is 0, but must be a finite number greater than 0"),
    (Kind::GroupDro, "mu_exp", "0.0", "`mu_exp` is 0, but must be a finite number greater than 0"),
    (Kind::GroupDro, "sigma", "0.0", "`sigma` is 0, but must be a finite number greater than 0"),
    (Kind::Threshold, "raise", "1.5", "`raise` is 1.5, but must be at least 0 and at most 1"),
    (Kind::Threshold, "lower", "0.8", "`lower` is 0.8, but must be at least 0 and at most 0.7"),
    (Kind::Threshold, "window", "0", "`window` is 0, but must be at least 1"),
    (Kind::E2hA, "gamma", "1.0", "`gamma` is 1, but must be greater than 0 and less than 1"),
    (
        Kind::E2hA,
        "prior_groups",
        "0.0",
        "`prior_groups` is 0, but must be a finite number greater than 0",
    ),
    (Kind::E2hA, "probe", "-1.0", "`probe` is -1, but must be at least 0 and at most 100"),
    (Kind::E2hA, "pull", "101.0", "`pull` is 101, but must be at least 0 and at most 100"),
    (Kind::E2hA, "explore", "0.0", "`explore` is 0, but must be greater than 0 and less than 1"),
];

/// As above, under `[filter]`.
const FILTERS: &[(FilterKind, &str, &str, &str)] = &[
    (
        FilterKind::PassRate,
        "low",
        "1.0",
        "`filter.low` is 1, but must be at least 0 and at most 0.99",
    ),
    (
        FilterKind::PassRate,
        "high",
        "1.5",
        "`filter.high` is 1.5, but must be at least 0 and at most 1",
    ),
    (
        FilterKind::Pools,
        "low",
        "0.8",
        "`filter.low` is 0.8, but must be at least 0 and at most 0.75",
    ),
    (
        FilterKind::Pools,
        "high",
        "nan",
        "`filter.high` is NaN, but must be at least 0 and at most 1",
    ),
    (
        FilterKind::Pools,
        "weight",
        "-0.1",
        "`filter.weight` is -0.1, but must be at least 0 and at most 1",
    ),
    (
        FilterKind::Vcrl,
        "kappa_start",
        "-1.0",
        "`filter.kappa_start` is -1, but must be at least 0 and at most 1",
    ),
    (FilterKind::Vcrl, "kappa", "2.0", "`filter.kappa` is 2, but must be at least 0 and at most 1"),
];

/// Keys for which every value of their type is in range.
const UNBOUNDED: [&str; 4] = ["form", "interpolate", "warmup_steps", "memory"];

/// The first problem that `text` has, and how many there are.
fn problems(text: &str) -> Vec<String> {
    let config: ScheduleConfig = toml::from_str(text).expect("the keys and types are right");
    let problems: Vec<String> = config.validate(4, 100).iter().map(ToString::to_string).collect();
    let built = config.build(4, 100).err().map(|error| error.to_string());
    assert_eq!(built.as_ref(), problems.first(), "building tells the first problem: {text}");
    problems
}

#[test]
fn each_parameter_out_of_range_is_one_error_that_names_the_bound() {
    for (kind, key, value, expected) in RULES {
        let text = format!("kind = \"{}\"\n{key} = {value}\n", kind.name());
        assert_eq!(problems(&text), [*expected], "{text}");
    }
    for (kind, key, value, expected) in FILTERS {
        let text = format!("[filter]\nkind = \"{}\"\n{key} = {value}\n", kind.name());
        assert_eq!(problems(&text), [*expected], "{text}");
    }
    let floor = "`floor` is 0.3, but must be at least 0 and at most 1 / 4 = 0.25 (4 levels)";
    assert_eq!(problems("kind = \"sec\"\nfloor = 0.3"), [floor]);
}

#[test]
fn no_parameter_is_missing_from_the_table() {
    let ours: BTreeSet<(&str, &str)> =
        RULES.iter().map(|(kind, key, ..)| (kind.name(), *key)).collect();
    for kind in Kind::ALL {
        for &key in kind.keys().iter().filter(|key| !UNBOUNDED.contains(key)) {
            assert!(ours.contains(&(kind.name(), key)), "{} has no row for {key}", kind.name());
        }
    }
    let ours: BTreeSet<(&str, &str)> =
        FILTERS.iter().map(|(kind, key, ..)| (kind.name(), *key)).collect();
    for kind in FilterKind::ALL {
        for &key in kind.keys().iter().filter(|key| !UNBOUNDED.contains(key)) {
            assert!(ours.contains(&(kind.name(), key)), "{} has no row for {key}", kind.name());
        }
    }
}

#[test]
fn values_at_the_bounds_are_fine() {
    for text in [
        "kind = \"gaussian\"\nmin_prob = 0.25",
        "kind = \"gaussian\"\nmin_prob = 0.0\nfloor = 0.25",
        "kind = \"only\"\nlevel = 3",
        "kind = \"sec\"\nalpha = 1.0",
        "kind = \"adarft\"\nbeta = 0.0",
        "kind = \"group-dro\"\nw_dro = 0.0\nw_sec = 0.0",
        "kind = \"threshold\"\nraise = 1.0\nlower = 1.0",
        "kind = \"e2h-a\"\nprobe = 0.0\npull = 100.0",
        "[filter]\nkind = \"pass-rate\"\nlow = 0.0\nhigh = 1.0",
        "[filter]\nkind = \"vcrl\"\nkappa = 1.0\nkappa_start = 0.0\nmemory = 0",
    ] {
        assert_eq!(problems(text), [""; 0], "{text}");
    }
}

#[test]
fn a_filter_of_its_kind_alone_is_valid() {
    for kind in FilterKind::ALL {
        let config =
            ScheduleConfig { filter: Some(FilterConfig::of(kind)), ..ScheduleConfig::default() };
        assert!(config.validate(4, 100).is_empty());
    }
}
