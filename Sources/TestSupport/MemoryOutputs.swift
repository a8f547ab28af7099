package import Journal
import RunEngine
import Synchronization

/// Long outputs of steps, kept in memory; they outlive a simulated crash as the files on the disk do.
package final class MemoryOutputs: OutputStore {
    private let files = Mutex<[String: [UInt8]]>([:])

    package init() {}

    package func store(_ bytes: [UInt8], of step: StepID, attempt: Int) throws -> OutputRecord {
        let name = "out/\(step).\(attempt).out"
        files.withLock { $0[name] = bytes }
        return OutputRecord(name: name, sha256: ContentHash(of: bytes), bytes: bytes.count, truncated: false)
    }

    package func load(_ record: OutputRecord) throws -> [UInt8] { files.withLock { $0[record.name] ?? [] } }
}
