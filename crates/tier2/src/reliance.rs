//! What a recording relies on, from the moment that the recorder notes it.
//!
//! A recording takes a while, in which other code runs: what was noted may be changed, or freed, and another object may get its address.
//! So it is watched at once, under the number that the executor will have. If something happens to it, the recording is *lost*. What the
//! executor is going to hold ([`hotspur_recorder::Keep::Hold`]) is held from then on, too.

use crate::{graph, watch};
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_cpython_sys::newref;
use hotspur_recorder::{Dependencies, Noted, Trace};

/// Something cannot be relied on: it has changed already, or cannot be watched.
#[derive(Debug, PartialEq, Eq)]
pub struct Unreliable;

/// See the module's documentation.
#[derive(Debug)]
pub struct Reliance {
    id: u64,
    watched: Dependencies,
    held: Vec<*mut PyObject>,
}

impl Default for Reliance {
    fn default() -> Reliance {
        Reliance { id: graph::begin_recording(), watched: Dependencies::default(), held: Vec::new() }
    }
}

impl Reliance {
    /// The number that the executor will have.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Watches and holds what was noted since the last time.
    ///
    /// # Errors
    /// Something cannot be relied on.
    ///
    /// # Safety
    /// GIL held, and no other code has run since it was noted.
    pub unsafe fn follow(&mut self, noted: &Noted<'_>) -> Result<(), Unreliable> {
        // SAFETY: as the caller promises.
        self.held.extend(noted.held[self.held.len()..].iter().map(|&object| unsafe { newref(object) }));
        let watched = &mut self.watched;
        let news = Dependencies {
            dicts: Vec::new(),
            values: noted.values[watched.values.len()..].to_vec(),
            types: noted.types[watched.types.len()..].to_vec(),
            functions: noted.functions[watched.functions.len()..].to_vec(),
            codes: noted.codes[watched.codes.len()..].to_vec(),
        };
        if news == Dependencies::default() {
            return Ok(());
        }
        // Also if only part of it can be watched: everything is taken off the lists in the end.
        watched.values.extend(&news.values);
        watched.types.extend(&news.types);
        watched.functions.extend(&news.functions);
        watched.codes.extend(&news.codes);
        // SAFETY: as the caller promises.
        unsafe { watch::rely(self.id, &news) }
    }

    /// Watches and holds all that a finished trace relies on.
    ///
    /// # Errors
    /// Something cannot be relied on, or has changed.
    ///
    /// # Safety
    /// As for [`Reliance::follow`].
    pub(crate) unsafe fn complete(&mut self, trace: &Trace) -> Result<(), Unreliable> {
        // SAFETY: as the caller promises.
        unsafe {
            self.follow(&trace.noted())?;
            if !trace.dependencies.dicts.is_empty() {
                self.watched.dicts.clone_from(&trace.dependencies.dicts);
                let dicts = Dependencies { dicts: self.watched.dicts.clone(), ..Dependencies::default() };
                watch::rely(self.id, &dicts)?;
            }
        }
        if self.is_lost() { Err(Unreliable) } else { Ok(()) }
    }

    /// Whether something that is relied on has changed.
    pub fn is_lost(&self) -> bool {
        graph::is_lost(self.id)
    }

    /// From now on, it is an executor that relies on all this: its number, and what it holds.
    pub(crate) fn pass_on(mut self) -> (u64, Vec<*mut PyObject>) {
        self.watched = Dependencies::default();
        (self.id, core::mem::take(&mut self.held))
    }
}

impl Drop for Reliance {
    fn drop(&mut self) {
        graph::end_recording(self.id);
        watch::rely_no_more(self.id, &self.watched);
        graph::bury(core::mem::take(&mut self.held));
    }
}
