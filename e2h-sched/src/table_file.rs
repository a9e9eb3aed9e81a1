//! Reads a table of probabilities from a file, for `kind = "table"`.
//!
//! Two forms, told apart by the first character that is not white space:
//! - text: one row a line, numbers parted by commas, semicolons, tabs or spaces; empty lines and what follows a
//!   `#` are passed over, and so is a first line of column names;
//! - JSON: a list of lists of numbers, or an object whose `probabilities` is one, as `e2h schedule show --json`
//!   prints.
//!
//! # Invariants
//! - Every row has as many numbers as the first. Whether they are probabilities is checked where the table is used.

use std::path::Path;

use e2h_core::{Error, Result};
use serde::Deserialize;

/// The rows of the file at `path`.
///
/// ```
/// let path = std::env::temp_dir().join(format!("e2h-doc-table-{}.csv", std::process::id()));
/// std::fs::write(&path, "easy,hard\n1,0\n0.5,0.5\n")?;
/// assert_eq!(e2h_sched::read_table(&path)?, [[1.0, 0.0], [0.5, 0.5]]);
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`File`](Error::File) when the file cannot be read, [`OutOfRange`](Error::OutOfRange) with the line at fault when it
/// is not a table of numbers.
pub fn read_table(path: &Path) -> Result<Vec<Vec<f64>>> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::File {
        action: "read",
        path: path.to_path_buf(),
        source,
    })?;
    let name = path.display().to_string();
    let rows = match text.trim_start().chars().next() {
        Some('[' | '{') => json_rows(&name, &text)?,
        _ => text_rows(&name, &text)?,
    };
    if rows.is_empty() {
        return Err(bad(name, "empty", "a table with at least one row"));
    }
    Ok(rows)
}

/// The two JSON forms.
#[derive(Deserialize)]
#[serde(untagged)]
enum JsonTable {
    Rows(Vec<Vec<f64>>),
    Preview { probabilities: Vec<Vec<f64>> },
}

fn json_rows(name: &str, text: &str) -> Result<Vec<Vec<f64>>> {
    let table = serde_json::from_str(text).map_err(|error| {
        let expected = "a list of lists of numbers, or an object with the key `probabilities`";
        bad(name.to_owned(), format!("JSON of another form ({error})"), expected)
    })?;
    let (JsonTable::Rows(rows) | JsonTable::Preview { probabilities: rows }) = table;
    for (index, row) in rows.iter().enumerate() {
        same_length(format!("{name} row {}", index + 1), row, &rows[0])?;
    }
    Ok(rows)
}

fn text_rows(name: &str, text: &str) -> Result<Vec<Vec<f64>>> {
    let mut rows: Vec<Vec<f64>> = Vec::new();
    let mut header = true;
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        let parted = |c: char| c.is_whitespace() || c == ',' || c == ';';
        let cells: Vec<&str> = line.split(parted).filter(|cell| !cell.is_empty()).collect();
        if cells.is_empty() {
            continue;
        }
        let is_header = header && cells.iter().all(|cell| cell.parse::<f64>().is_err());
        header = false;
        if is_header {
            continue;
        }
        let at = format!("{name}:{}", index + 1);
        let number = |cell: &&str| {
            cell.parse().map_err(|_| bad(at.clone(), format!("`{cell}`"), "numbers only"))
        };
        let row: Vec<f64> = cells.iter().map(number).collect::<Result<_>>()?;
        same_length(at.clone(), &row, rows.first().unwrap_or(&row))?;
        rows.push(row);
    }
    Ok(rows)
}

fn same_length(at: String, row: &[f64], first: &[f64]) -> Result<()> {
    if row.len() == first.len() {
        return Ok(());
    }
    Err(bad(at, format!("{} numbers", row.len()), format!("{}, as in the first row", first.len())))
}

fn bad(name: String, got: impl Into<String>, expected: impl Into<String>) -> Error {
    Error::OutOfRange { name, got: got.into(), expected: expected.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `text` reads as, with the folder's name taken out of errors.
    fn read(test: &str, text: &str) -> std::result::Result<Vec<Vec<f64>>, String> {
        let name = format!("e2h-table-{test}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).expect("writable");
        let rows = read_table(&path);
        std::fs::remove_file(&path).expect("removable");
        let shown = path.display().to_string();
        rows.map_err(|error| error.to_string().replace(&shown, "FILE"))
    }

    #[test]
    fn text_and_json_tables_read_alike() {
        let expected = Ok(vec![vec![0.9, 0.1], vec![0.25, 0.75]]);
        for (i, text) in [
            "0.9,0.1\n0.25,0.75\n",
            "easy, hard\n0.9, 0.1  # warm-up\n\n# then\n0.25;0.75",
            "0.9\t0.1\r\n.25 .75\r\n",
            " [[0.9, 0.1], [0.25, 0.75]]",
            r#"{"probabilities": [[0.9, 0.1], [0.25, 0.75]], "expected_counts": [1, 2]}"#,
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(read(&format!("good{i}"), text), expected, "{text}");
        }
    }

    #[test]
    fn a_bad_table_names_its_line() {
        for (i, (text, expected)) in [
            ("0.9,0.1\n0.5,x\n", "`FILE:2` is `x`, but must be numbers only"),
            ("0.9,0.1\n1\n", "`FILE:2` is 1 numbers, but must be 2, as in the first row"),
            ("[[1], [0.5, 0.5]]", "`FILE row 2` is 2 numbers, but must be 1, as in the first row"),
            ("# nothing\n", "`FILE` is empty, but must be a table with at least one row"),
            ("easy,0.5\n", "`FILE:1` is `easy`, but must be numbers only"),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(read(&format!("bad{i}"), text), Err(expected.to_owned()));
        }
        assert!(read("other", "{\"rows\": 1}").expect_err("no table").contains("probabilities"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read_table(Path::new("no/such/table.csv")).expect_err("missing");
        assert_eq!(error.to_string(), "cannot read no/such/table.csv");
    }
}
