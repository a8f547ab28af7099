package import ClusterModel

/// A client configuration as OpenSSH reads it (ssh_config(5)), restricted to what decides how a host is reached.
///
/// Honoured are Host, HostName, User, Port, IdentityFile, IdentitiesOnly, ProxyJump, UserKnownHostsFile, HostKeyAlias,
/// Include and `Match all`. Other `Match` blocks are left out with a warning, and so is a ProxyCommand where it would
/// apply; every other keyword is passed over. A pure value: `SSHConfigurationLoader` reads the files.
package struct SSHConfiguration: Sendable {
    /// One file as it was read.
    package typealias File = KnownHosts.File

    /// A statement that is kept.
    enum Item: Sendable {
        case host([HostPattern])
        case matchAll
        /// A Match that is not supported: what follows belongs to no host.
        case matchNothing
        case setting(Setting, SourceLocation)
        /// The files that an Include stands for, in order.
        case include([[Item]])
    }

    /// What one keyword sets.
    enum Setting: Sendable, Hashable {
        case hostName(String)
        case user(String)
        case port(Int)
        case identityFile(String)
        case identitiesOnly(Bool)
        case proxyJump([SSHConfigurationHop])
        case proxyCommand(String)
        case userKnownHostsFiles([String])
        case hostKeyAlias(String)
    }

    /// The files in the order in which they count, each with its statements.
    let files: [[Item]]
    /// Errors are lines for which OpenSSH refuses the whole file; warnings are lines that are not honoured.
    package let diagnostics: [Diagnostic]

    /// An empty configuration: nothing is set for any host.
    package static let empty = SSHConfiguration(files: [], diagnostics: [])

    init(files: [[Item]], diagnostics: [Diagnostic]) {
        self.files = files
        self.diagnostics = diagnostics
    }

    /// Reads files in the order in which they count, the user's first.
    ///
    /// `include` gives the files that the argument of an Include stands for, as it is written in the file at `from`.
    package init(
        files: [File],
        include: (_ pattern: String, _ from: String) throws(OperatorMessage) -> [File]
    ) throws(OperatorMessage) {
        var parser = SSHConfigurationParser()
        var parsed: [[Item]] = []
        for file in files { parsed.append(try parser.parse(file, include: include)) }
        self.init(files: parsed, diagnostics: parser.diagnostics)
    }

    /// What is set for `alias`, the name as it would be given to ssh; the first value found wins.
    ///
    /// Patterns are compared with regard to case, as OpenSSH compares them.
    package func entry(for alias: String) -> SSHConfigurationEntry {
        var entry = SSHConfigurationEntry(alias: alias)
        for file in files { Self.apply(file, to: &entry, alias: Array(alias.utf8), enclosing: true, mayMatch: true) }
        return entry
    }

    /// Goes through one file; a block within it ends with it, and one included where nothing applies applies nowhere.
    private static func apply(
        _ items: [Item],
        to entry: inout SSHConfigurationEntry,
        alias: [UInt8],
        enclosing: Bool,
        mayMatch: Bool
    ) {
        var isActive = enclosing
        for item in items {
            switch item {
            case .host(let patterns): isActive = mayMatch && HostPattern.list(patterns, admits: alias)
            case .matchAll: isActive = mayMatch
            case .matchNothing: isActive = false
            case .setting(let setting, let location): if isActive { entry.take(setting, at: location) }
            case .include(let files):
                for file in files {
                    apply(file, to: &entry, alias: alias, enclosing: isActive, mayMatch: mayMatch && isActive)
                }
            }
        }
    }
}
