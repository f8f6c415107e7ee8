//! Becoming `python`, with the engine preloaded.

use crate::handoff::{Handoff, PRELOAD, VARIABLE};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::IntoRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Replaces this process by `python`, with these arguments. With a [`Handoff`] the engine is preloaded.
///
/// Returns only if that fails.
pub fn exec(
    python: &Path,
    program_name: Option<&OsStr>,
    arguments: &[OsString],
    handoff: Option<Handoff>,
) -> io::Error {
    let mut command = Command::new(python);
    if let Some(name) = program_name {
        command.arg0(name);
    }
    command.args(arguments);
    if let Some(handoff) = handoff
        && let Err(error) = preload(handoff)
    {
        return error;
    }
    command.exec()
}

fn preload(mut handoff: Handoff) -> io::Result<()> {
    let before = std::env::var_os(PRELOAD);
    let mut list = if handoff.engine.as_os_str().as_bytes().iter().any(|byte| b" :".contains(byte)) {
        // The list's separators cannot be escaped, but a file can be named in another way.
        let descriptor = inheritable(&handoff.engine)?;
        handoff.descriptor = Some(descriptor);
        OsString::from(format!("/proc/self/fd/{descriptor}"))
    } else {
        handoff.engine.clone().into_os_string()
    };
    if let Some(before) = &before
        && !before.is_empty()
    {
        list.push(":");
        list.push(before);
    }
    handoff.preload = before;
    // Not with the methods of `Command`: they sort the variables, and the program would see another order of them.
    //
    // SAFETY: the only caller replaces the process right after this, so that no other thread can be reading the
    // environment for long; the launcher has no other threads at all.
    unsafe {
        std::env::set_var(PRELOAD, list);
        std::env::set_var(VARIABLE, handoff.encode());
    }
    Ok(())
}

/// Opens a file so that the program that is executed next has it open as well.
fn inheritable(path: &Path) -> io::Result<i32> {
    let descriptor = File::open(path)?.into_raw_fd();
    // SAFETY: changes a flag of a descriptor that was opened here.
    if unsafe { libc::fcntl(descriptor, libc::F_SETFD, 0) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(descriptor)
}
