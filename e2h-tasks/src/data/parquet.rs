//! Rows of Parquet files.
//!
//! # Deviations
//! 1. Only files without compression or with snappy are read, unless the feature `parquet-zstd` is on.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use parquet::errors::ParquetError;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::record::Row;
use serde_json::Value;

use super::DataError;
use super::error::Fault;
use super::source::OnRow;

/// Hands every row of a file to `each`, until that fails. Lines are row numbers from 1.
pub(super) fn rows(path: &Path, each: &mut OnRow<'_>) -> Result<(), DataError> {
    let wrong = |source: ParquetError| match source {
        // This is how the reader says that it was built without a codec.
        ParquetError::General(text)
            if text.contains("Disabled feature") && text.contains("zstd") =>
        {
            DataError::NotBuilt { what: path.display().to_string(), feature: "parquet-zstd" }
        }
        source => DataError::Parquet { path: path.to_path_buf(), source },
    };
    let file =
        File::open(path).map_err(|source| DataError::File { path: path.to_path_buf(), source })?;
    let reader = guarded(|| SerializedFileReader::new(file)).map_err(wrong)?;
    let mut rows = guarded(|| reader.get_row_iter(None)).map_err(wrong)?;
    let mut number = 0;
    while let Some(row) = guarded(|| rows.next().transpose()).map_err(wrong)? {
        number += 1;
        each(number, object(&row))?;
    }
    Ok(())
}

fn object(row: &Row) -> Result<serde_json::Map<String, Value>, Fault> {
    match row.to_json_value() {
        Value::Object(mut object) => {
            // A column of a table stands in every row; a null in it is an absent field.
            object.retain(|_, value| !value.is_null());
            Ok(object)
        }
        other => Err(Fault::new("line", "a row of named columns", other.to_string())),
    }
}

/// Runs a call of the Parquet reader, which panics on some damaged files.
fn guarded<T>(call: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|_| Err(ParquetError::General("the file is damaged".to_owned())))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use parquet::basic::Compression;
    use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::super::{DataSpec, load};
    use super::*;

    const SCHEMA: &str = "message rows { optional binary question (UTF8); required binary answer (UTF8); \
                          required int64 level; optional group numbers (LIST) { repeated group list { \
                          required int64 element; } } }";

    /// Three rows of GSM8K form, and one with a null question.
    fn write(path: &Path, compression: Compression) -> Result<(), ParquetError> {
        let schema = Arc::new(parse_message_type(SCHEMA)?);
        let properties = WriterProperties::builder().set_compression(compression).build();
        let mut writer =
            SerializedFileWriter::new(File::create(path)?, schema, Arc::new(properties))?;
        let mut group = writer.next_row_group()?;
        let texts =
            |texts: &[&str]| texts.iter().map(|text| ByteArray::from(*text)).collect::<Vec<_>>();
        let mut column = group.next_column()?.expect("question");
        column.typed::<ByteArrayType>().write_batch(
            &texts(&["How många?", "b", "c"]),
            Some(&[1, 1, 0, 1]),
            None,
        )?;
        column.close()?;
        let mut column = group.next_column()?.expect("answer");
        column.typed::<ByteArrayType>().write_batch(
            &texts(&["1", "2", "3", "so\n#### 4"]),
            None,
            None,
        )?;
        column.close()?;
        let mut column = group.next_column()?.expect("level");
        column.typed::<Int64Type>().write_batch(&[0, 1, 1, 1], None, None)?;
        column.close()?;
        let mut column = group.next_column()?.expect("numbers");
        column.typed::<Int64Type>().write_batch(
            &[7, 8],
            Some(&[2, 2, 0, 0, 0]),
            Some(&[0, 1, 0, 0, 0]),
        )?;
        column.close()?;
        group.close()?;
        writer.close()?;
        Ok(())
    }

    fn spec(path: &Path) -> DataSpec {
        DataSpec {
            task: Some("own".to_owned()),
            bad_rows: super::super::OnBadRow::Collect,
            ..DataSpec::at(path.display().to_string())
        }
    }

    #[test]
    fn a_parquet_file_is_read_as_its_rows() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("rows.parquet");
        for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY] {
            write(&path, compression).expect("writable");
            let rows = load(&spec(&path)).expect("a good file");
            let first = &rows.problems[0][0];
            assert_eq!((first.id.as_str(), &first.question), ("rows:1", &"How många?".into()));
            assert_eq!(first.extra["numbers"], Value::from(vec![7, 8]));
            assert_eq!(rows.problems[1].len(), 2);
            let bad = rows.report.bad.first().expect("a null question");
            assert_eq!((bad.line, bad.field.as_str()), (3, "question"));
        }
    }

    #[cfg(not(feature = "parquet-zstd"))]
    #[test]
    fn a_file_compressed_with_zstd_names_the_feature_that_reads_it() {
        // The codec stands in the metadata as a byte: 2 for snappy, 12 for zstd. One of the bytes that are 2 is it.
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("rows.parquet");
        write(&path, Compression::SNAPPY).expect("writable");
        let whole = fs::read(&path).expect("readable");
        let named = (0..whole.len()).filter(|&at| whole[at] == 2).any(|at| {
            let mut changed = whole.clone();
            changed[at] = 12;
            fs::write(&path, changed).expect("writable");
            let result = load(&spec(&path));
            matches!(result, Err(DataError::NotBuilt { feature: "parquet-zstd", .. }))
        });
        assert!(named, "no change of the codec is told apart");
    }

    #[test]
    fn a_damaged_parquet_file_is_an_error_or_other_rows_but_no_panic() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("rows.parquet");
        write(&path, Compression::UNCOMPRESSED).expect("writable");
        let whole = fs::read(&path).expect("readable");
        let mut n_errors = 0;
        for at in 4..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x55;
            fs::write(&path, &damaged).expect("writable");
            n_errors += usize::from(load(&spec(&path)).is_err());
            fs::write(&path, &whole[..at]).expect("writable");
            assert!(load(&spec(&path)).is_err(), "cut at {at}");
        }
        assert!(n_errors > whole.len() / 4, "{n_errors} of {} damages show", whole.len());
    }
}
