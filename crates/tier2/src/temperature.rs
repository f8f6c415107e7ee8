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

    /// A recording from here did not work out, or could not be started: the next one has to wait longer.
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
