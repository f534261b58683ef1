//! Disks that are full, or that nobody may write to.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// A disk in memory, gone when this is dropped. Only root can have one.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one at `dir` that holds so many bytes. Prints why there is none where there cannot be one.
    #[must_use]
    pub fn mount(dir: PathBuf, bytes: u64) -> Option<Self> {
        let mounted = mount(&["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"], &dir);
        match mounted {
            Ok(()) => Some(Self(dir)),
            Err(why) => {
                println!("skipped: cannot mount a small disk here: {why}");
                None
            }
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// From now on it holds so many bytes.
    ///
    /// # Panics
    /// If the system refuses.
    pub fn grow(&self, bytes: u64) {
        mount(&["-o", &format!("remount,size={bytes}")], &self.0).expect("a larger disk");
    }

    /// From now on nobody may write to it.
    ///
    /// # Panics
    /// If the system refuses.
    pub fn make_read_only(&self) {
        mount(&["-o", "remount,ro"], &self.0).expect("a disk that is read-only");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: what a dying process still holds open must not keep it.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn mount(args: &[&str], dir: &Path) -> Result<(), String> {
    let output = Command::new("mount").args(args).arg(dir).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}
