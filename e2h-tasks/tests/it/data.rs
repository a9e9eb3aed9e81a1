//! Every shared data file loads whole, and labels made from its counts are those it was published with.

use e2h_core::{Level, Problem};
use e2h_tasks::data::{DataSpec, LevelMap, OnBadRow, OnDuplicate, Rows, Stats, load, overlap};
use e2h_tasks::label::{PassCount, by_quantiles};

use crate::shared;

/// Loads a shared file for a task, `None` where the shared folder is not here.
fn rows(file: &str, task: &str, level: Option<u16>) -> Option<Rows> {
    let spec = DataSpec {
        task: Some(task.to_owned()),
        level: level.map(Level),
        ..DataSpec::at(shared::folder()?.join("data").join(file).display().to_string())
    };
    Some(load(&spec).unwrap_or_else(|error| panic!("{file}: {error}")))
}

/// The number of rows of each level.
fn sizes(rows: &Rows) -> Vec<usize> {
    rows.problems.iter().map(Vec::len).collect()
}

fn check(file: &str, task: &str, level: Option<u16>, expected: &[usize]) {
    let Some(rows) = rows(file, task, level) else {
        return;
    };
    assert_eq!(sizes(&rows), expected, "{file}");
    assert_eq!(rows.report.n_read, rows.len(), "{file}: {}", rows.report);
    for row in rows.iter() {
        assert!(row.task == task && !row.id.is_empty(), "{file}: {}", row.id);
    }
}

#[test]
fn every_row_of_every_shared_file_loads_with_its_level() {
    check("countdown/cd345_test.jsonl", "countdown", None, &[0, 1000, 1000, 1000]);
    check("countdown/cd3_d1_test.jsonl", "countdown", None, &[0, 256]);
    check("countdown/game24.jsonl", "countdown", None, &[0, 0, 1362]);
    check("countdown/model_generations.jsonl", "countdown", None, &[0, 222]);
    check("blocksworld/train.jsonl", "blocksworld", None, &[2000; 5]);
    check("blocksworld/test.jsonl", "blocksworld", None, &[50, 45, 84, 152, 151, 112, 46]);
    check("blocksworld/model_plans.jsonl", "blocksworld", Some(0), &[600]);
    check("gsm8k/train.jsonl", "gsm8k", None, &[2362, 1470, 1988, 1653]);
    check("gsm8k/test.jsonl", "gsm8k", None, &[413, 307, 308, 291]);
    check("aqua/train5k.jsonl", "aqua", None, &[1471, 1111, 1599, 819]);
    check("aqua/test.jsonl", "aqua", None, &[72, 72, 72, 38]);
    check("aqua/dev.jsonl", "aqua", Some(0), &[254]);
    check("math/test.jsonl", "math", None, &[437, 894, 1131, 1214, 1324]);
}

#[test]
fn the_two_math_rows_without_level_are_bad_rows_and_no_others() {
    let Some(folder) = shared::folder() else {
        return;
    };
    let mut spec = DataSpec::at(folder.join("data/math/train.jsonl").display().to_string());
    let error = load(&spec).expect_err("a row has no level").to_string();
    assert!(error.contains("`level` must be given"), "{error}");
    spec.bad_rows = OnBadRow::Collect;
    let rows = load(&spec).expect("the rest");
    assert_eq!(sizes(&rows), [564, 1348, 1592, 1690, 2304]);
    assert_eq!((rows.report.n_read, rows.report.bad.len()), (7500, 2));
    let stats = Stats::of(&rows);
    assert_eq!((stats.n_rows, stats.levels[4].n_with_solution), (7498, 2304));
    // Two rows of number theory have an empty box for an answer.
    let empty = rows.report.notes.iter().find(|note| note.text.contains("the answer is empty"));
    assert_eq!(empty.map(|note| note.n_rows), Some(2));
    assert_eq!(stats.levels.iter().map(|level| level.answer_chars.min).min(), Some(0));
}

#[test]
fn the_last_box_of_a_math_solution_is_its_answer() {
    let Some(rows) = rows("math/test.jsonl", "math", None) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("rows.jsonl");
    let mut lines = String::new();
    for row in rows.iter() {
        // The layout of the original files: no answer, and the level in words.
        let level = format!("Level {}", row.level.0 + 1);
        let row = serde_json::json!({"problem": row.question, "solution": row.solution, "level": level, "id": row.id});
        lines.push_str(&format!("{row}\n"));
    }
    std::fs::write(&path, lines).expect("writable");
    let again = load(&DataSpec::at(path.display().to_string())).expect("good rows");
    assert_eq!(sizes(&again), sizes(&rows));
    for (row, again) in rows.iter().zip(again.iter()) {
        assert_eq!((&row.id, &row.answer), (&again.id, &again.answer));
    }
}

#[test]
fn repeated_rows_and_rows_of_test_in_train_are_found() {
    let (Some(train), Some(test)) = (
        rows("blocksworld/train.jsonl", "blocksworld", None),
        rows("blocksworld/test.jsonl", "blocksworld", None),
    ) else {
        return;
    };
    // 363 rows repeat a pair of texts; the order of the facts in a text does not matter here.
    assert!(train.report.duplicates.n_rows >= 363, "{}", train.report);
    assert!(overlap(&train, &test).n_test_rows >= 3);
    assert_eq!(Stats::of(&train).n_duplicates, train.report.duplicates.n_rows);
    let path = train.report.files[0].path.display().to_string();
    let spec = DataSpec {
        task: Some("blocksworld".to_owned()),
        duplicates: OnDuplicate::Drop,
        ..DataSpec::at(path)
    };
    let unique = load(&spec).expect("good rows");
    assert_eq!(unique.len() + train.report.duplicates.n_rows, train.len());
}

#[test]
fn no_question_of_aqua_s_test_occurs_in_its_training_rows() {
    let (Some(train), Some(test)) =
        (rows("aqua/train5k.jsonl", "aqua", None), rows("aqua/test.jsonl", "aqua", None))
    else {
        return;
    };
    assert_eq!(overlap(&train, &test).n_test_rows, 0);
}

#[test]
fn a_level_map_reads_blocksworld_s_steps_as_its_levels() {
    let Some(whole) = rows("blocksworld/train.jsonl", "blocksworld", None) else {
        return;
    };
    let spec = DataSpec {
        task: Some("blocksworld".to_owned()),
        level_map: Some(LevelMap {
            field: "steps".to_owned(),
            order: [1, 2, 4, 6, 8].map(Into::into).to_vec(),
        }),
        ..DataSpec::at(whole.report.files[0].path.display().to_string())
    };
    assert_eq!(load(&spec).expect("good rows").problems, whole.problems);
}

#[test]
fn quantiles_of_the_published_counts_are_the_published_levels() {
    for (file, task) in [
        ("gsm8k/train.jsonl", "gsm8k"),
        ("gsm8k/test.jsonl", "gsm8k"),
        ("aqua/train5k.jsonl", "aqua"),
        ("aqua/test.jsonl", "aqua"),
    ] {
        let Some(rows) = rows(file, task, None) else {
            return;
        };
        let rows: Vec<&Problem> = rows.iter().collect();
        let passes = rows.iter().map(|row| PassCount::of_row(row)).collect::<Result<Vec<_>, _>>();
        let found = by_quantiles(&passes.expect("all rows are counted"), 4).expect("four levels");
        let published: Vec<Level> = rows.iter().map(|row| row.level).collect();
        assert_eq!(found.levels, published, "{file} at {:?}", found.thresholds);
    }
}
