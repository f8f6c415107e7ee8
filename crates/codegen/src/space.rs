//! Installing code: stubs, addresses of callees.

use crate::arena::{Arena, Statistics};
use crate::compile::{Code, Compiler, Refusal, superblock_signature};
use crate::host::{Callee, HostFn, HostFunctions};
use crate::landings::{Landings, landing_exit};
use crate::layout::Layout;
use crate::unwind::Description;
use cranelift_codegen::ir::{ExtFuncData, ExternalName, Function, InstBuilder, UserExternalName, UserFuncName};
use cranelift_frontend::FunctionBuilder;
use hotspur_ir::AbortReason;

/// Code in memory. It stays there until it is given to [`CodeSpace::remove`].
#[derive(Debug)]
pub struct Installed {
    offset: usize,
    len: usize,
    entry: *const u8,
}

impl Installed {
    /// Where the code begins.
    pub fn entry(&self) -> *const u8 {
        self.entry
    }

    /// How long it is, in bytes.
    pub fn size(&self) -> usize {
        self.len
    }
}

/// Memory for code, with what all code needs: the way in, the cold exit, jumps to callees that are far away.
#[derive(Debug)]
pub struct CodeSpace {
    _description: Description,
    arena: Arena,
    /// Addresses of callees by number, and of jumps to them.
    callees: Vec<(u64, u64)>,
    cold_exit: *const u8,
    stubs: Vec<Stub>,
}

/// Code that belongs to no executor.
#[derive(Clone, Copy, Debug)]
pub struct Stub {
    /// What it is.
    pub name: &'static str,
    /// Where it begins.
    pub entry: *const u8,
    /// How long it is, in bytes.
    pub size: usize,
}

// SAFETY: addresses in them are used by `unsafe` functions only.
unsafe impl Send for CodeSpace {}
// SAFETY: as above.
unsafe impl Send for Installed {}

const VENEER: usize = 16;

/// `jmp [rip]`, the address behind it, padding.
fn veneer(address: u64) -> [u8; VENEER] {
    let mut code = [0xff, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xcc, 0xcc];
    code[6..14].copy_from_slice(&address.to_le_bytes());
    code
}

impl CodeSpace {
    /// Memory for at most so many bytes of code that calls these functions.
    ///
    /// # Errors
    /// Memory cannot be had.
    ///
    /// # Safety
    /// The helpers have the signatures that the table says. Code is not executed any more when this is dropped.
    pub unsafe fn new(compiler: &mut Compiler, functions: &HostFunctions, limit: usize) -> Result<CodeSpace, Refusal> {
        let near = functions.address(HostFn::SideExit);
        let arena = Arena::new(limit, near as usize).map_err(|e| no_memory(e.to_string()))?;
        let callees = Callee::all().map(|c| (c.address(functions), 0)).collect();
        let description = Description::new(arena.address(0), arena.statistics().capacity);
        let (cold_exit, stubs) = (std::ptr::null(), Vec::new());
        let mut space = CodeSpace { _description: description, arena, callees, cold_exit, stubs };
        for i in 0..Callee::COUNT {
            // SAFETY: nothing of this arena is executed yet.
            let offset = unsafe { space.place(&veneer(space.callees[i].0)) }?;
            let entry = space.arena.address(offset);
            space.callees[i].1 = entry as u64;
            let name = Callee::all().nth(i).map_or("", Callee::name);
            space.stubs.push(Stub { name, entry, size: VENEER });
        }
        let cold_exit = cold_exit_stub(compiler)?;
        // SAFETY: as above.
        space.cold_exit = unsafe { space.install_stub("cold_exit", &cold_exit) }?;
        Ok(space)
    }

    /// Addresses that code calls, and what is there: the functions, and jumps to them.
    pub fn callees(&self) -> impl Iterator<Item = (u64, Callee)> {
        self.callees.iter().zip(Callee::all()).flat_map(|(&(direct, veneer), c)| [(direct, c), (veneer, c)])
    }

    /// What exits lead to that lead nowhere yet.
    pub fn cold_exit(&self) -> *const u8 {
        self.cold_exit
    }

    /// Code that exits may lead to instead whose snapshots resume where tier 1 has landed: it looks for an executor there. Stays
    /// as long as the space.
    ///
    /// # Errors
    /// The limit is reached.
    ///
    /// # Safety
    /// As for [`CodeSpace::install`]; the layouts are those of the host that code runs in.
    pub unsafe fn landing_exit(
        &mut self,
        compiler: &mut Compiler,
        layout: &Layout,
        landings: &Landings,
    ) -> Result<*const u8, Refusal> {
        let code = landing_exit(compiler, layout, landings, self.cold_exit.expose_provenance() as u64)?;
        // SAFETY: as the caller promises.
        unsafe { self.install_stub("landing_exit", &code) }
    }

    /// # Safety
    /// As for [`CodeSpace::install`].
    unsafe fn install_stub(&mut self, name: &'static str, code: &Code) -> Result<*const u8, Refusal> {
        // SAFETY: as the caller promises.
        let Installed { entry, len, .. } = unsafe { self.install(code) }?;
        self.stubs.push(Stub { name, entry, size: len });
        Ok(entry)
    }

    /// Code that belongs to no executor, and stays.
    pub fn stubs(&self) -> &[Stub] {
        &self.stubs
    }

    /// How much memory is used.
    pub fn statistics(&self) -> Statistics {
        self.arena.statistics()
    }

    /// # Safety
    /// As for [`Arena::write`].
    unsafe fn place(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        let full = || no_memory(format!("no room for {} bytes", bytes.len()));
        let offset = self.arena.allocate(bytes.len()).ok_or_else(full)?;
        // SAFETY: the caller's contract.
        let written = unsafe { self.arena.write(offset, bytes) };
        written.map(|()| offset).map_err(|e| {
            self.arena.release(offset, bytes.len());
            no_memory(e.to_string())
        })
    }

    /// Makes code executable.
    ///
    /// # Errors
    /// The limit is reached.
    ///
    /// # Safety
    /// No thread executes code of this space at the moment (one that has called out of it is not executing it).
    pub unsafe fn install(&mut self, code: &Code) -> Result<Installed, Refusal> {
        let len = code.bytes.len();
        let full = || no_memory(format!("no room for {len} bytes"));
        let offset = self.arena.allocate(len).ok_or_else(full)?;
        let entry = self.arena.address(offset);
        let mut bytes = code.bytes.clone();
        for relocation in &code.relocations {
            let at = relocation.offset as usize;
            let next = entry as u64 + at as u64 + 4;
            let (direct, veneer) = self.callees[relocation.callee.number()];
            let distance = |to: u64| i32::try_from(to.wrapping_sub(next) as i64).ok();
            let distance = distance(direct).or(distance(veneer)).ok_or_else(|| no_memory("too far".into()))?;
            bytes[at..at + 4].copy_from_slice(&distance.to_le_bytes());
        }
        // SAFETY: the caller's contract.
        if let Err(error) = unsafe { self.arena.write(offset, &bytes) } {
            self.arena.release(offset, len);
            return Err(no_memory(error.to_string()));
        }
        Ok(Installed { offset, len, entry })
    }

    /// Gives the memory of code back.
    ///
    /// # Safety
    /// Nobody executes it any more, or will: no exit leads to it, and no activation will return to it.
    pub unsafe fn remove(&mut self, code: Installed) {
        self.arena.release(code.offset, code.len);
    }
}

fn no_memory(message: String) -> Refusal {
    Refusal { reason: AbortReason::OutOfMemory, message }
}

/// Asks the host where to go on, and goes there or returns.
fn cold_exit_stub(compiler: &mut Compiler) -> Result<Code, Refusal> {
    let mut function = Function::with_name_signature(UserFuncName::default(), superblock_signature());
    let mut b = FunctionBuilder::new(&mut function, compiler.builder_context());
    let (block, on, out) = (b.create_block(), b.create_block(), b.create_block());
    b.append_block_params_for_function_params(block);
    b.switch_to_block(block);
    let state = b.block_params(block)[0];
    let callee = Callee::Host(HostFn::SideExit);
    let signature = b.import_signature(callee.signature());
    let name = UserExternalName { namespace: 0, index: callee.number() as u32 };
    let name = b.func.declare_imported_user_function(name);
    let data = ExtFuncData { name: ExternalName::user(name), signature, colocated: true, patchable: false };
    let side_exit = b.import_function(data);
    let call = b.ins().call(side_exit, &[state]);
    let code = b.inst_results(call)[0];
    b.ins().brif(code, on, &[], out, &[]);
    b.switch_to_block(on);
    let tail = b.import_signature(superblock_signature());
    b.ins().return_call_indirect(tail, code, &[state]);
    b.switch_to_block(out);
    b.ins().return_(&[]);
    b.seal_all_blocks();
    b.finalize();
    compiler.stub(function)
}
