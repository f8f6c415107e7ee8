//! Unwinding through machine code, as `pthread_exit` does.

#[allow(dead_code, reason = "no test uses all of it")]
mod native;

use hotspur_codegen::*;
use native::{Given, functions, run_with};
use std::panic::{catch_unwind, resume_unwind};

extern "C-unwind" fn unwinds(_: *mut ExecState) -> bool {
    resume_unwind(Box::new("out"))
}

#[test]
fn a_host_function_unwinds() {
    let text = "superblock code0 @ 0 (v0: i64) {
        check_validity [snap0]
        exit end_of_trace [snap0]
    }
    snap0 = at
        code0 @ 0 locals [v0] stack []";
    let functions = HostFunctions { is_valid: unwinds, ..functions() };
    // Registers that machine code uses are those that this function had, or the sum would be another one.
    let numbers: Vec<u64> = (0..100).map(std::hint::black_box).collect();
    let caught = catch_unwind(|| run_with(&functions, text, &Given { args: &[5], ..Given::default() }));
    let message = caught.expect_err("it unwinds").downcast::<&str>().expect("a string");
    assert_eq!((*message, numbers.iter().sum()), ("out", 4950_u64));
}
