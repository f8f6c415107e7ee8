//! Code that is made again and again: text that is evaluated, templates that are loaded anew, classes and functions that a program generates.
//!
//! What is recorded in such code goes with it, and what has gone wrong there would be forgotten with the place. So it is remembered under what the
//! code looks like: the next code object that looks the same has to become hot as much more often as the one before would have had
//! to ([`Losses`]). One that lives long gets its executors all the same.
//!
//! Code that looks the same and is something else is possible, and does no harm: it waits for a while. Where everything is compiled at first sight, nobody
//! waits.

use crate::heat;
use crate::losing::Losses;
use hotspur_recorder::Place;
use hotspur_tier1::code::CodeState;
use hotspur_tier1::table::INFO;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What code looks like, and a position in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Likeness(u64, usize);

impl Likeness {
    /// Instructions without what tier 1 has made of them, the first line, and how large the code's tables are. No names and
    /// no constants: looking at those might run code.
    unsafe fn of(place: Place) -> Likeness {
        // SAFETY: the place is in live code.
        unsafe {
            let cs = place.code;
            let code = (*cs).code;
            let mut hash = DefaultHasher::new();
            [(*code).co_firstlineno, (*code).co_nlocalsplus, (*code).co_stacksize].hash(&mut hash);
            let mut index = 0;
            while index < (*cs).len as usize {
                let word = *CodeState::words(cs).add(index);
                let info = &INFO[usize::from(word.op)];
                (info.base, word.oparg).hash(&mut hash);
                // Cache words hold anything.
                index += 1 + usize::from(info.caches);
            }
            Likeness(hash.finish(), place.position)
        }
    }
}

/// What has gone wrong in code that is no more.
#[derive(Default)]
pub(crate) struct Gone(HashMap<Likeness, u32>);

impl Gone {
    /// Beyond so many, all is forgotten: a program that generates ever new code is not remembered.
    const MOST: usize = 4096;

    /// The place's code is going, and so many executors in a row were no good there.
    ///
    /// # Safety
    /// The code is live still.
    pub(crate) unsafe fn note(&mut self, place: Place, losses: &Losses) {
        // SAFETY: as the caller promises.
        let likeness = unsafe { Likeness::of(place) };
        if losses.in_a_row() == 0 {
            self.0.remove(&likeness);
            return;
        }
        if self.0.len() >= Gone::MOST {
            self.0.clear();
        }
        self.0.insert(likeness, losses.in_a_row());
    }

    /// What the place, which is new, has to expect.
    ///
    /// # Safety
    /// The place is in live code.
    pub(crate) unsafe fn expected(&self, place: Place) -> Losses {
        let mut losses = Losses::default();
        if !self.0.is_empty() && !heat::is_forced() {
            // SAFETY: as the caller promises.
            let likeness = unsafe { Likeness::of(place) };
            losses.inherit(self.0.get(&likeness).copied().unwrap_or(0));
        }
        losses
    }
}
