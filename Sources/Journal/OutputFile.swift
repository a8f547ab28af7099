import Crypto
import FoundationEssentials
import Synchronization
import SystemPackage

/// What a step printed, on its way into `out/`: at most `limit` bytes of it, durable when `finish` returns.
///
/// A full disk shortens what is stored and never fails the step: the outcome matters more than the text.
package final class OutputFile: Sendable {
    package enum Stream: String, Sendable, CaseIterable { case out, err }

    private struct Core {
        var descriptor: FileDescriptor?
        var digest = SHA256()
        var stored = 0
        var truncated = false
    }

    /// Path within the folder of the run.
    package let name: String
    private let path: FilePath
    private let limit: Int
    private let core: Mutex<Core>

    /// Makes a new file for an attempt; where one of that name is there, from before a crash, the next free name is
    /// taken.
    package convenience init(
        in folder: RunFolder,
        step: StepID,
        attempt: Int,
        stream: Stream,
        limit: Int
    ) throws(JournalError) {
        try self.init(in: folder, step: step, attempt: attempt, ending: stream.rawValue, limit: limit)
    }

    /// The same with another end of its name, which is one component of a path.
    package init(
        in folder: RunFolder,
        step: StepID,
        attempt: Int,
        ending: String,
        limit: Int
    ) throws(JournalError) {
        var number = 1
        while true {
            let infix = number == 1 ? "" : ".\(number)"
            let name = "\(step).\(attempt)\(infix).\(ending)"
            let path = folder.outputs.appending(name)
            do throws(Errno) {
                let file = try openFile(path, .writeOnly, [.create, .exclusiveCreate], permissions: .privateFile)
                self.name = "out/\(name)"
                self.path = path
                self.limit = limit
                core = Mutex(Core(descriptor: file))
                return
            } catch  where error == .fileExists {
                number += 1
            } catch {
                throw .writing(path, "store the output of \(step)", error)
            }
        }
    }

    deinit { core.withLock { $0.descriptor?.discard() } }

    /// Stores `bytes` as far as limit and disk allow.
    package func append(_ bytes: some Collection<UInt8>) {
        core.withLock { core in
            guard let file = core.descriptor, !core.truncated else {
                core.truncated = core.truncated || !bytes.isEmpty
                return
            }
            let wanted = Array(bytes.prefix(limit - core.stored))
            core.truncated = wanted.count < bytes.count
            var rest = wanted[...]
            while !rest.isEmpty {
                guard let count = try? file.writeOnce(rest), count > 0 else {
                    core.truncated = true
                    break
                }
                core.digest.update(data: Array(rest.prefix(count)))
                core.stored += count
                rest = rest.dropFirst(count)
            }
        }
    }

    /// Makes what is stored durable and says what it is, for the outcome.
    package func finish() throws(JournalError) -> OutputRecord {
        try core.withLock { core throws(JournalError) in
            if let file = core.descriptor {
                core.descriptor = nil
                defer { file.discard() }
                do throws(Errno) {
                    try file.sync()
                    try syncFolder(path.removingLastComponent())
                } catch { throw .writing(path, "store the output", error) }
            }
            return OutputRecord(
                name: name,
                sha256: ContentHash(core.digest.finalize()),
                bytes: core.stored,
                truncated: core.truncated
            )
        }
    }
}
