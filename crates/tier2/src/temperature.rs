//! Temperatures: adaptive backoff counters of exits, back-edges and entries.
//!
//! The representation is tier 1's ([`hotspur_tier1::counter`]): a value that counts down in the upper twelve bits, and the backoff
//! exponent in the lower four.

use crate::params::Parameter;
use core::cell::Cell;
use hotspur_tier1::counter;

/// The counter that starts with a threshold.
pub fn initial(threshold: Parameter) -> u16 {
    // It triggers when it is met at zero.
    let value = (threshold.get() - 1) as u16;
    value << 4 | Parameter::Backoff.get() as u16
}

/// The counter after so many recordings that did not work out: the next one has to wait longer each time.
pub fn after_failures(failures: u32) -> u16 {
    let exponent = (Parameter::Backoff.get() + failures).min(12) as u16;
    ((1 << exponent) - 1) << 4 | exponent
}

/// How near an exit is to being recorded from.
#[derive(Debug)]
pub struct Temperature(Cell<u16>);

impl Temperature {
    /// A cold exit.
    pub fn cold() -> Temperature {
        Temperature(Cell::new(initial(Parameter::ExitThreshold)))
    }

    /// Counts an exit. Whether it is hot now.
    pub fn advance(&self) -> bool {
        let counter = self.0.get();
        if counter::triggers(counter) {
            return true;
        }
        self.0.set(counter::advance(counter));
        false
    }

    /// The counter, for machine code that counts: what to take off each time. If it is less than that, the exit is hot.
    pub(crate) fn countdown(&self) -> (*const u16, u16) {
        (self.0.as_ptr(), 1 << 4)
    }

    /// So many recordings from here did not work out.
    pub fn fail(&self, failures: u32) {
        self.0.set(after_failures(failures));
    }

    /// A recording from here could not be started: the next attempt has to wait longer.
    pub fn back_off(&self) {
        self.0.set(counter::back_off(self.0.get()));
    }

    /// Counts anew.
    pub fn cool(&self) {
        self.0.set(initial(Parameter::ExitThreshold));
    }

    /// How many exits are left until it is hot.
    pub fn remaining(&self) -> u16 {
        self.0.get() >> 4
    }
}
