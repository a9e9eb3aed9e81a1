//! Where the files of a model come from: a folder, or the program itself.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};

/// The files of one model, by name.
pub trait ModelFiles {
    /// The bytes of a file.
    ///
    /// # Errors
    /// As the system answers; `NotFound` for a file that does not exist.
    fn read(&self, name: &str) -> io::Result<Cow<'_, [u8]>>;

    /// The bytes of a file, without a copy where that can be.
    ///
    /// # Errors
    /// As [`Self::read`].
    fn map(&self, name: &str) -> io::Result<FileBytes<'_>> {
        self.read(name).map(FileBytes::Held)
    }

    /// The path of a file, for messages.
    fn path(&self, name: &str) -> PathBuf;
}

/// The bytes of a file: held in memory, or mapped to it.
#[derive(Debug)]
pub enum FileBytes<'a> {
    /// Held in memory.
    Held(Cow<'a, [u8]>),
    /// Read by the system page by page, and given back by it when memory is short.
    Mapped(memmap2::Mmap),
}

impl Deref for FileBytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Held(bytes) => bytes,
            Self::Mapped(map) => map,
        }
    }
}

impl ModelFiles for Path {
    fn read(&self, name: &str) -> io::Result<Cow<'_, [u8]>> {
        std::fs::read(self.join(name)).map(Cow::Owned)
    }

    fn map(&self, name: &str) -> io::Result<FileBytes<'_>> {
        let file = File::open(self.join(name))?;
        if file.metadata()?.len() == 0 {
            return Ok(FileBytes::Held(Cow::Borrowed(&[])));
        }
        #[expect(unsafe_code, reason = "sound while no one shortens a model's file under us")]
        // SAFETY: the map is only read, and dropped within the load; a program that truncates the file
        // meanwhile ends this one by a signal, as with every reader of mapped weights.
        let map = unsafe { memmap2::Mmap::map(&file)? };
        Ok(FileBytes::Mapped(map))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.join(name)
    }
}

impl ModelFiles for PathBuf {
    fn read(&self, name: &str) -> io::Result<Cow<'_, [u8]>> {
        self.as_path().read(name)
    }

    fn map(&self, name: &str) -> io::Result<FileBytes<'_>> {
        self.as_path().map(name)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.join(name)
    }
}

/// A model that is part of the program.
///
/// ```
/// use e2h_model::{EmbeddedModel, ModelConfig, ModelFiles};
///
/// const TINY: EmbeddedModel = EmbeddedModel {
///     name: "tiny",
///     files: &[("config.json", br#"{"model_type": "llama", "vocab_size": 5, "hidden_size": 16,
///         "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}"#)],
/// };
/// assert_eq!(ModelConfig::load(&TINY)?.head_dim, 8);
/// let missing = TINY.read("model.safetensors").map(|bytes| bytes.len()).map_err(|error| error.kind());
/// assert_eq!(missing, Err(std::io::ErrorKind::NotFound));
/// # Ok::<(), e2h_model::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct EmbeddedModel {
    /// Its name.
    pub name: &'static str,
    /// Names and bytes of its files.
    pub files: &'static [(&'static str, &'static [u8])],
}

impl ModelFiles for EmbeddedModel {
    fn read(&self, name: &str) -> io::Result<Cow<'_, [u8]>> {
        let found = self.files.iter().find(|(file, _)| *file == name);
        found.map(|(_, bytes)| Cow::Borrowed(*bytes)).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new("embedded").join(self.name).join(name)
    }
}

/// The text of a file; `None` when there is no such file.
pub(crate) fn read_text(
    files: &(impl ModelFiles + ?Sized),
    name: &str,
) -> crate::Result<Option<String>> {
    match files.read(name) {
        Ok(bytes) => match String::from_utf8(bytes.into_owned()) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(crate::Error::config(&files.path(name), "is not UTF-8")),
        },
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(crate::Error::io("read", &files.path(name), source)),
    }
}

/// The text of a file that must be there.
pub(crate) fn require_text(
    files: &(impl ModelFiles + ?Sized),
    name: &str,
) -> crate::Result<String> {
    read_text(files, name)?
        .ok_or_else(|| crate::Error::io("read", &files.path(name), io::ErrorKind::NotFound.into()))
}
