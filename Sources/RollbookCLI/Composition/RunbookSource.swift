import ClusterModel
import FoundationEssentials
import Manifests
import RunEngine
import ShippedRunbooks

/// Where runbooks come from: a file on disk wins over the one built into the program.
struct RunbookSource: Sendable {
    let registry: StepRegistry
    private let folders: [String]

    init(_ surroundings: Surroundings, registry: StepRegistry) {
        self.registry = registry
        let named = surroundings.environment["ROLLBOOK_RUNBOOKS"] ?? ""
        folders =
            (named.isEmpty ? [] : [surroundings.absolute(named)])
            + [surroundings.absolute("Runbooks"), "/etc/rollbook/runbooks"]
    }

    /// Ends the place of a runbook that is no file.
    static let builtInMark = " (built in)"

    /// A runbook in reach.
    struct Entry: Sendable {
        let name: String
        /// The file, or nil for the one built in.
        let path: String?
        /// A person named the file, so it is not found again by the runbook's name.
        var isNamedFile = false
        let runbook: Runbook
        /// The file's text.
        let bytes: [UInt8]
    }

    /// Finds a runbook by name, or reads the file that is named.
    func find(_ name: String) throws -> Entry {
        if name.contains("/") || name.hasSuffix(".yaml") {
            var entry = try entry(name, try ManifestFile.read(name), path: name)
            entry.isNamedFile = true
            return entry
        }
        guard isSafeName(name) else { throw unknown(name) }
        for folder in folders {
            let path = "\(folder)/\(name).yaml"
            guard FileManager.default.fileExists(atPath: path) else { continue }
            return try entry(name, try ManifestFile.read(path), path: path)
        }
        guard let bytes = ShippedRunbooks.all[name] else { throw unknown(name) }
        return try entry(name, bytes, path: nil)
    }

    private func entry(_ name: String, _ bytes: [UInt8], path: String?) throws -> Entry {
        let runbook = try load(bytes, path: path ?? "\(name).yaml\(Self.builtInMark)")
        return Entry(name: name, path: path, runbook: runbook, bytes: bytes)
    }

    var names: [String] {
        var names = Set(ShippedRunbooks.all.keys)
        for folder in folders {
            let files = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
            names.formUnion(files.filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) })
        }
        return names.sorted()
    }

    private func unknown(_ name: String) -> OperatorMessage {
        let hint = nearest(to: name, among: names).map { "; did you mean '\($0)'?" } ?? ""
        return OperatorMessage(.usage, at: name, "no such runbook\(hint)", next: "rollbook runbooks lists them")
    }

    private func load(_ bytes: [UInt8], path: String) throws -> Runbook {
        do { return try RunbookLoader.load(bytes, path: path, catalogue: registry) } catch {
            for diagnostic in error.diagnostics { Terminal.error(diagnostic.rendered) }
            throw CommandEnding(code: .invalidInput)
        }
    }
}
