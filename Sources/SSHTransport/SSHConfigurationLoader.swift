package import ClusterModel
import FoundationEssentials

/// Reads client configuration files and what they include.
package struct SSHConfigurationLoader: Sendable {
    /// The home directory: `~` and the base of the user's relative Includes, `~/.ssh`.
    package let home: String
    /// The configuration for all users and the base of its relative Includes.
    package let systemFolder: String

    package init(home: String, systemFolder: String = "/etc/ssh") {
        self.home = home
        self.systemFolder = systemFolder
    }

    /// Reads the user's file, `~/.ssh/config` unless named, and then `ssh_config` in the system folder.
    ///
    /// `ssh -F FILE` reads that file only; so does this when `alsoSystem` is false. Files that do not exist are empty.
    /// Throws `security` for a file that others could have written, OpenSSH's own rule.
    package func load(userFile: String? = nil, alsoSystem: Bool = true) throws(OperatorMessage) -> SSHConfiguration {
        let userPath = userFile ?? "\(home)/.ssh/config"
        let systemPath = "\(systemFolder)/ssh_config"
        var files: [SSHConfiguration.File] = []
        var parsed: [[SSHConfiguration.Item]] = []
        var diagnostics: [Diagnostic] = []
        for (path, base) in [(userPath, "\(home)/.ssh"), (systemPath, systemFolder)].prefix(alsoSystem ? 2 : 1) {
            guard let bytes = try KnownHostsFile.read(path) else { continue }
            files = [SSHConfiguration.File(path: path, bytes: bytes)]
            let configuration = try SSHConfiguration(files: files) { (pattern, _) throws(OperatorMessage) in
                try included(pattern, base: base)
            }
            parsed += configuration.files
            diagnostics += configuration.diagnostics
        }
        return SSHConfiguration(files: parsed, diagnostics: diagnostics)
    }

    /// The files that the argument of an Include stands for, in the order of their names; folders are passed over.
    private func included(_ pattern: String, base: String) throws(OperatorMessage) -> [SSHConfiguration.File] {
        var path = pattern
        if pattern == "~" || pattern.hasPrefix("~/") {
            path = home + pattern.dropFirst()
        } else if !pattern.hasPrefix("/") {
            path = "\(base)/\(pattern)"
        }
        var files: [SSHConfiguration.File] = []
        for path in Self.paths(matching: path) {
            var isDirectory = false
            guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), !isDirectory else {
                continue
            }
            guard let bytes = try KnownHostsFile.read(path) else { continue }
            files.append(SSHConfiguration.File(path: path, bytes: bytes))
        }
        return files
    }

    /// The paths that an absolute pattern fits, sorted by their bytes; `*` and `?` stay within a name, as with glob(7).
    private static func paths(matching pattern: String) -> [String] {
        var found = [""]
        for component in pattern.split(separator: "/") {
            let name = HostPattern(isNegated: false, bytes: Array(component.utf8))
            if name.isLiteral {
                found = found.map { "\($0)/\(component)" }
                continue
            }
            found = found.flatMap { folder in
                let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.isEmpty ? "/" : folder)) ?? []
                let fitting = names.filter {
                    // A leading dot is matched by a written one only.
                    ($0.hasPrefix(".") ? component.hasPrefix(".") : true) && name.fits(Array($0.utf8))
                }
                return fitting.sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }
                    .map { "\(folder)/\($0)" }
            }
        }
        return found
    }
}
