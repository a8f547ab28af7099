package import ClusterModel
import SystemPackage

/// A small text file that everybody may read, always whole, in a folder that others may own.
package struct SharedTextFile: Sendable {
    package let path: String

    package init(path: String) { self.path = path }

    /// Replaces the text (nothing, when there is no readable file) by what `change` makes of it.
    ///
    /// `writer` makes the temporary name unique. Errors: `invalidName`, `storage`.
    package func rewrite(writer: RunID, _ change: (String) -> String) throws(BackupError) {
        guard path.hasPrefix("/"), path.hasSuffix(".prom"), let slash = path.lastIndex(of: "/") else {
            throw .invalidName(path, expected: "absolute path of a .prom file")
        }
        let name = String(path[path.index(after: slash)...])
        let parent = slash == path.startIndex ? "/" : String(path[..<slash])
        let folder = try Directory.shared(at: parent)
        let text = change(folder.sharedText(of: name) ?? "")
        let temporary = ".\(name).\(writer.text)"
        try folder.removeFile(temporary)
        let file = try folder.createFile(temporary)
        defer { try? file.close() }
        do throws(Errno) {
            try file.writeCompletely(Array(text.utf8))
            try file.setMode(0o644)
            try file.synchronize()
        } catch {
            try? folder.removeFile(temporary)
            throw folder.failure(error.rawValue, "write", temporary)
        }
        try folder.replaceFile(name, from: temporary)
        try folder.sync()
    }
}
