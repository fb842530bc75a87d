//! One `run` at a time on a data directory.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::Path,
};

use super::RunLockError;

/// Held by the process that runs pipelines on a data directory; the system lets go of it when the process ends,
/// however it ends.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

impl RunLock {
    /// Takes the lock of `data_dir`, which is made if it is missing.
    ///
    /// # Errors
    /// [`RunLockError::InUse`] when another process holds it.
    pub fn take(data_dir: &Path) -> Result<Self, RunLockError> {
        let failed = |error| RunLockError::Io { data_dir: data_dir.to_owned(), error };
        make_dir(data_dir).map_err(failed)?;
        let file = open_private(&data_dir.join("run.lock")).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(RunLockError::InUse { data_dir: data_dir.to_owned() }),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

/// Makes a directory for its owner alone; one that is there stays as it is.
pub(super) fn make_dir(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Opens or makes a file for its owner alone.
pub(super) fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(file)
}
