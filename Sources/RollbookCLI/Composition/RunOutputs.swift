import ClusterModel
import ClusterSteps
import FoundationEssentials
import Journal
import RunEngine
import SystemPackage

/// Long outputs of steps in the folder of their run.
struct RunOutputs: OutputStore {
    let folder: RunFolder

    private static let limit = 64 << 20

    func store(_ bytes: [UInt8], of step: StepID, attempt: Int) throws -> OutputRecord {
        let file = try OutputFile(in: folder, step: step, attempt: attempt, stream: .out, limit: Self.limit)
        file.append(bytes)
        return try file.finish()
    }

    func load(_ record: OutputRecord) throws -> [UInt8] {
        let path = folder.path.appending(record.name).string
        guard let data = FileManager.default.contents(atPath: path), ContentHash(of: data) == record.sha256 else {
            throw OperatorMessage(.integrity, at: path, "is not what the journal recorded")
        }
        return Array(data)
    }
}

extension RunOutputs: FetchedFiles {
    func create(_ name: String, of step: StepID, attempt: Int, limit: Int) throws -> OutputFile {
        try OutputFile(in: folder, step: step, attempt: attempt, ending: name, limit: limit)
    }
}
