import ClusterModel
import ClusterSteps
import FoundationEssentials

/// Files beside a runbook, named by its steps.
struct RunbookFolder: RunbookFiles {
    let surroundings: Surroundings

    func path(of name: String, namedIn runbook: SourceLocation) throws -> String {
        if name.hasPrefix("/") { return name }
        guard !runbook.file.hasSuffix(RunbookSource.builtInMark) else {
            throw OperatorMessage(.invalidInput, at: runbook.file, "a runbook of the program has no files beside it")
        }
        let folder = surroundings.absolute(runbook.file).split(separator: "/").dropLast().joined(separator: "/")
        return "/\(folder)/\(name)"
    }

    func read(_ path: String) throws -> [UInt8] {
        var isFolder = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), !isFolder,
            let attributes = try? FileManager.default.attributesOfItem(atPath: path),
            let size = attributes[.size] as? Int
        else { throw OperatorMessage(.invalidInput, at: path, "there is no such file") }
        guard size <= PutFile.longestFile else {
            throw OperatorMessage(.invalidInput, at: path, "it has more than \(PutFile.longestFile >> 10) KiB")
        }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw OperatorMessage(.invalidInput, at: path, "it cannot be read")
        }
        return Array(data)
    }
}
