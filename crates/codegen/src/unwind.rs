//! Letting unwinders through machine code.
//!
//! CPython ends threads that outlive it with `pthread_exit`, which unwinds the C stack from wherever the thread happens
//! to wait: possibly in a host function that machine code has called. An unwinder that meets a frame without a
//! description ends the process. All code in an arena keeps a frame pointer, so one description is right at every call:
//! the caller's frame begins 16 bytes above `rbp`, which points to the saved `rbp`, the return address behind it.
//!
//! That says nothing of other registers that code has saved. It need not: the way in, which is written by hand, has
//! saved all that the platform's convention wants saved, and describes where.

use crate::host::ExecState;

unsafe extern "C" {
    fn __register_frame(description: *const u8);
    fn __deregister_frame(description: *const u8);
}

/// A registered description of a range of code, in the format of `.eh_frame`. Its address must stay the same.
#[derive(Debug)]
pub(crate) struct Description(Box<[u64]>);

impl Description {
    /// Describes a range.
    pub(crate) fn new(start: *const u8, len: usize) -> Description {
        // Numbers of registers in DWARF.
        const RBP: u8 = 6;
        const RETURN: u8 = 16;
        let mut bytes = Vec::new();
        // What is common: version 1, no augmentation, factors 1 and -8, where the return address is.
        let mut common = vec![0, 0, 0, 0, 1, 0, 1, 0x78, RETURN];
        // The frame of the caller is at rbp + 16; saved below it, in words: the return address, rbp.
        common.extend([0x0c, RBP, 16, 0x80 | RETURN, 1, 0x80 | RBP, 2]);
        entry(&mut bytes, &common);
        // For the range: how far back what is common begins, address, length.
        let mut range = (bytes.len() as u32 + 4).to_le_bytes().to_vec();
        range.extend((start.addr() as u64).to_le_bytes());
        range.extend((len as u64).to_le_bytes());
        entry(&mut bytes, &range);
        // The end.
        bytes.extend([0; 4]);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        let word = |chunk: &[u8]| u64::from_le_bytes(chunk.try_into().expect("eight bytes"));
        let description = Description(bytes.chunks(8).map(word).collect());
        // SAFETY: it is well-formed, and lives until it is deregistered.
        unsafe { __register_frame(description.0.as_ptr().cast()) };
        description
    }
}

impl Drop for Description {
    fn drop(&mut self) {
        // SAFETY: it was registered.
        unsafe { __deregister_frame(self.0.as_ptr().cast()) };
    }
}

/// Appends an entry: its length, then the content with padding.
fn entry(bytes: &mut Vec<u8>, content: &[u8]) {
    let padded = content.len().next_multiple_of(4);
    bytes.extend((padded as u32).to_le_bytes());
    bytes.extend(content);
    bytes.extend(std::iter::repeat_n(0, padded - content.len()));
}

/// Runs code until it leaves to the embedder. Cranelift's tail convention passes the first argument as the platform does.
///
/// # Safety
/// The code is installed in a [`CodeSpace`](crate::CodeSpace), and its environment is as it was compiled for; the state is set up.
#[unsafe(naked)]
pub unsafe extern "C-unwind" fn enter(state: *mut ExecState, code: *const u8) {
    core::arch::naked_asm!(
        ".cfi_startproc",
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "push rbx",
        ".cfi_offset rbx, -24",
        "push r12",
        ".cfi_offset r12, -32",
        "push r13",
        ".cfi_offset r13, -40",
        "push r14",
        ".cfi_offset r14, -48",
        "push r15",
        ".cfi_offset r15, -56",
        "sub rsp, 8",
        "call rsi",
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        ".cfi_def_cfa rsp, 8",
        "ret",
        ".cfi_endproc",
    )
}
