//! Dumps: traces on their way to machine code. Each begins with a line such as
//!
//! ```text
//! ; ==== #1 opt of total @ 14 ====
//! ```
//!
//! Superblocks can be read back; a semicolon begins a comment.

use super::asm::{self, Names};
use super::text::{self, Sources};
use super::{dumps, log, matches, names, with};
use crate::executor::Executor;
use core::fmt::Write;
use hotspur_codegen::{Code, Region};
use hotspur_cpython_sys::PyCodeObject;
use hotspur_ir::Superblock;
use hotspur_tier1::disassemble;
use std::collections::HashMap;

/// What to dump of an executor; nothing if it begins in a function that was not asked for.
///
/// # Safety
/// GIL held, the executor's code live.
unsafe fn stages_of(executor: &Executor) -> super::Stages {
    if !dumps() {
        return super::Stages::default();
    }
    // SAFETY: as the caller promises.
    let name = unsafe { names::function_name(code_of(executor)) };
    let chosen = with(|observer| {
        let functions = &observer.functions;
        let wanted = functions.is_empty() || functions.iter().any(|pattern| matches(pattern, &name));
        wanted.then_some(observer.stages)
    });
    chosen.flatten().unwrap_or_default()
}

/// The code that an executor begins in.
fn code_of(executor: &Executor) -> *mut PyCodeObject {
    executor.trace().codes[executor.trace().superblock.code.as_u32() as usize]
}

fn write(text: &str) {
    with(|observer| observer.dump.write(text));
}

/// # Safety
/// GIL held, the executor's code live.
unsafe fn headline(executor: &Executor, what: &str) -> String {
    // SAFETY: as the caller promises.
    let name = unsafe { names::function_name(code_of(executor)) };
    format!("; ==== #{} {what} of {name} @ {} ====\n", executor.id, executor.trace().superblock.pc)
}

/// Whether the listing of an executor's code is wanted.
///
/// # Safety
/// GIL held, the executor's code live.
pub(crate) unsafe fn lists(executor: &Executor) -> bool {
    // SAFETY: as the caller promises.
    let stages = unsafe { stages_of(executor) };
    stages.cranelift || stages.assembly
}

/// A recording has become an executor.
///
/// # Safety
/// GIL held, and no other code has run since.
pub(crate) unsafe fn recorded(executor: &Executor) {
    // SAFETY: as the caller promises; all that the executor depends on is live.
    unsafe {
        log::finished(executor);
        let stages = stages_of(executor);
        if stages.bytecode {
            let new = |&code: &*mut PyCodeObject| with(|o| o.shown.insert(code.addr())).unwrap_or_default();
            executor.trace().codes.iter().copied().filter(new).for_each(|code| write(&bytecode(code)));
        }
        let mut sources = Sources::default();
        let trace = executor.trace();
        let mut superblock = |what: &str, sb: &Superblock| {
            write(&(headline(executor, what) + &text::superblock(trace, sb, &mut sources)));
        };
        if stages.recorded {
            superblock("ir", executor.recorded().unwrap_or(&trace.superblock));
        }
        if stages.optimized {
            superblock("opt", &trace.superblock);
        }
    }
}

/// The instructions of a code object as tier 1 has them now.
unsafe fn bytecode(code: *mut PyCodeObject) -> String {
    // SAFETY: the code is live.
    let (name, file) = unsafe { (names::function_name(code), names::file_name(code)) };
    let mut out = format!("; ==== bytecode of {name}, {file} ====\n");
    let mut last = None;
    // SAFETY: as above.
    for instruction in unsafe { disassemble(code) }.unwrap_or_default() {
        // SAFETY: as above.
        let line = unsafe { names::line(code, instruction.index) };
        let shown = line.filter(|_| line != last).map_or_else(String::new, |line| line.to_string());
        last = line;
        let (index, name, argument) = (instruction.index, instruction.name, instruction.oparg);
        let _ = writeln!(out, "{shown:>6} {index:>6}  {name:<32} {argument}");
    }
    out
}

/// An executor has got machine code.
///
/// # Safety
/// GIL held. `names`, by address, are those of what code calls.
pub(crate) unsafe fn compiled(executor: &Executor, code: &Code, callees: &mut dyn FnMut() -> HashMap<u64, String>) {
    log::compiled(executor, code);
    if !executor.is_valid() {
        return;
    }
    // SAFETY: as the caller promises, and the executor's code is live as it is valid.
    let stages = unsafe { stages_of(executor) };
    let Some(listing) = &code.listing else { return };
    if stages.cranelift {
        let key = "; In front of an instruction: @ and the number of its op; seldom: 4000.... plus that; 8000.... and an exit.\n";
        // SAFETY: as above.
        write(&(unsafe { headline(executor, "clif") } + key + &listing.ir));
    }
    if stages.assembly {
        let installed = executor.code().bytes();
        // SAFETY: as above.
        let names = unsafe { addresses(executor, installed, callees()) };
        // SAFETY: as above.
        let notes = unsafe { notes(executor, &listing.regions) };
        let text = asm::disassemble(installed, listing.end, names, &notes);
        // SAFETY: as above.
        write(&(unsafe { headline(executor, "asm") } + &text));
    }
}

/// There is machine code that leads from an exit to another executor.
///
/// # Safety
/// As for [`compiled`].
pub(crate) unsafe fn passage_compiled(
    executor: &Executor,
    exit: usize,
    code: &Code,
    installed: &[u8],
    callees: &mut dyn FnMut() -> HashMap<u64, String>,
) {
    // SAFETY: as the caller promises.
    let stages = unsafe { stages_of(executor) };
    let Some(listing) = &code.listing else { return };
    let what = |stage: &str| format!("{stage} of the passage from exit {exit}");
    if stages.cranelift {
        // SAFETY: as above.
        write(&(unsafe { headline(executor, &what("clif")) } + &listing.ir));
    }
    if stages.assembly {
        // SAFETY: as above.
        let names = unsafe { addresses(executor, installed, callees()) };
        let text = asm::disassemble(installed, listing.end, names, &[]);
        // SAFETY: as above.
        write(&(unsafe { headline(executor, &what("asm")) } + &text));
    }
}

/// What addresses mean in the code of an executor.
///
/// # Safety
/// GIL held, what the executor depends on is live.
unsafe fn addresses(executor: &Executor, installed: &[u8], mut others: HashMap<u64, String>) -> Names {
    let trace = executor.trace();
    for (i, object) in trace.objects.iter().enumerate() {
        // SAFETY: as the caller promises.
        let what = unsafe { names::constant(trace, object) };
        others.insert(object.object.addr() as u64, format!("obj{i} ({what})"));
    }
    for (i, code) in trace.codes.iter().enumerate() {
        others.insert(code.addr() as u64, format!("code{i}"));
    }
    let fields = [
        ((&raw const *executor).addr(), "executor"),
        ((&raw const executor.go).addr(), "executor.go"),
        ((&raw const executor.warm).addr(), "executor.warm"),
        ((&raw const executor.runs).addr(), "executor.runs"),
        ((&raw const executor.rounds).addr(), "executor.rounds"),
        (executor.exits().as_ptr().addr(), "executor.exits"),
    ];
    // An executor without exits has an address for them that means nothing.
    others.extend(fields.into_iter().map(|(address, name)| (address as u64, name.to_owned())));
    Names { address: installed.as_ptr().addr() as u64, length: installed.len() as u64, others }
}

/// What code is for: ops, with the lines of Python that they stand for.
///
/// # Safety
/// GIL held, the executor's code live.
unsafe fn notes(executor: &Executor, regions: &[(u32, Region)]) -> Vec<(u32, String)> {
    let (trace, sb) = (executor.trace(), &executor.trace().superblock);
    let ops: Vec<String> = sb.insts().map(ToString::to_string).collect();
    let instructions = text::instructions(sb);
    let mut sources = Sources::default();
    let mut notes = Vec::new();
    let (mut last, mut last_region) = (None, None);
    for &(offset, region) in regions {
        if last_region.replace(region) == Some(region) {
            continue;
        }
        let text = match region {
            Region::Hot(op) | Region::Slow(op) => {
                let seldom = if matches!(region, Region::Slow(_)) { " (seldom)" } else { "" };
                let now = instructions[op as usize];
                if last != Some(now) {
                    last = Some(now);
                    // SAFETY: as the caller promises.
                    notes.push((offset, format!("; {}", unsafe { sources.describe(trace, now) })));
                }
                format!("    ; {}{seldom}", ops[op as usize])
            }
            Region::Exit(exit) => {
                let number = exit.as_u32();
                format!("    ; exit {number}: {}", executor.exits()[number as usize].reason.name())
            }
            Region::Shared => "    ; shared by exits".into(),
            Region::Beginning => "    ; beginning".into(),
        };
        notes.push((offset, text));
    }
    notes
}

/// An executor becomes invalid, and leads nowhere from now on.
///
/// # Safety
/// GIL held, the executor was valid until now.
pub(crate) unsafe fn ended(executor: &Executor) {
    // SAFETY: as the caller promises; a valid executor's code is live.
    unsafe {
        if !stages_of(executor).exits {
            return;
        }
        let mut out = headline(executor, "exits");
        let _ = writeln!(
            out,
            "; exit  reason                at  line  instructions  temperature        taken  of that linked  leads to"
        );
        for (number, exit) in executor.exits().iter().enumerate() {
            let frame = executor.trace().superblock.snapshots[exit.snapshot].frames.last();
            let place = frame.map(|frame| (executor.trace().codes[frame.code.as_u32() as usize], frame.pc));
            let line = place.and_then(|(code, pc)| names::line(code, pc as usize));
            let line = line.map_or_else(String::new, |line| line.to_string());
            let target = exit.target();
            let leads = target.as_ref().map_or_else(|| "tier 1".into(), |target| format!("#{}", target.id));
            crate::graph::bury_executor(target);
            let _ = writeln!(
                out,
                "; {number:>4}  {:<19}{:>5} {line:>5} {:>13} {:>12} {:>12} {:>15}  {leads}",
                exit.reason.name(),
                exit.pc,
                exit.instructions,
                exit.temperature.remaining(),
                exit.hits(),
                exit.linked.get(),
            );
        }
        write(&out);
    }
}

/// A code object is going: another one may get its address.
pub(crate) fn code_freed(code: *mut PyCodeObject) {
    if dumps() {
        with(|observer| observer.shown.remove(&code.addr()));
    }
}
