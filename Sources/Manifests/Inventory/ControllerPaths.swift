import ClusterModel

/// Makes paths on the controller absolute: `~` is the home directory, the rest is relative to the inventory's folder.
struct ControllerPaths {
    private let base: String
    private let home: String

    init(inventory path: String, context: InventoryContext) {
        home = context.homeDirectory
        let folder = path.lastIndex(of: "/").map { path[..<$0] } ?? ""
        if path.hasPrefix("/") {
            base = String(folder)
        } else {
            base = folder.isEmpty ? context.workingDirectory : "\(context.workingDirectory)/\(folder)"
        }
    }

    /// Logs and returns nil for what is no file's path.
    func resolve(_ path: Located<String>, _ name: String, log: ProblemLog) -> String? {
        let text = path.value
        guard text.utf8.count <= 1024, !text.contains(where: \.isNewline), !text.hasSuffix("/") else {
            log.error("'\(name)' wants the path of a file", at: path.mark)
            return nil
        }
        if text.hasPrefix("/") { return text }
        if text.hasPrefix("~/") { return home + text.dropFirst() }
        if text.hasPrefix("~") {
            log.error(
                "'\(name)': only '~/' is understood, for the home of who runs rollbook",
                at: path.mark,
                suggestion: "write the absolute path"
            )
            return nil
        }
        return base + "/" + (text.hasPrefix("./") ? text.dropFirst(2) : text[...])
    }
}
