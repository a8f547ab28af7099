import ClusterModel
import FoundationEssentials
import Logging
import Manifests
import RunEngine
import SSHTransport

/// Everything a command needs to work on one cluster: inventory, host keys, connections.
struct ClusterContext: Sendable {
    let inventory: Inventory
    let hostKeys: KnownHostsStore
    let connections: SSHConnections
    let surroundings: Surroundings
    let parallel: Int

    var cluster: Cluster { inventory.cluster }

    /// Reads the inventory and everything it refers to; contacts nothing.
    static func load(_ options: ClusterOptions, _ surroundings: Surroundings) throws -> ClusterContext {
        let path = try InventoryFinder(surroundings).find(options.inventory)
        let inventory = try loadInventory(path, surroundings, isVerbose: options.state.verbose)
        return try ClusterContext(inventory: inventory, surroundings: surroundings, parallel: options.parallel)
    }

    init(inventory: Inventory, surroundings: Surroundings, parallel: Int) throws {
        self.inventory = inventory
        self.surroundings = surroundings
        self.parallel = parallel
        hostKeys = try KnownHostsStore(paths: Self.knownHostsFiles(of: inventory.cluster, surroundings))
        for warning in hostKeys.diagnostics { Terminal.error(warning.rendered) }
        var logger = Logger(label: "rollbook.ssh") { _ in SwiftLogNoOpLogHandler() }
        logger.logLevel = .critical
        let options = SSHOptions(
            maximumHandshakes: max(parallel, 1),
            agentSocketPath: surroundings.environment["SSH_AUTH_SOCK"]
        )
        connections = SSHConnections(
            SSHTransport(options: options, hostKeys: hostKeys, logger: logger)
        )
    }

    static func loadInventory(_ path: String, _ surroundings: Surroundings, isVerbose: Bool) throws -> Inventory {
        let configuration = try SSHConfigurationLoader(home: surroundings.home).load()
        for diagnostic in configuration.diagnostics where isVerbose { Terminal.error(diagnostic.rendered) }
        let context = InventoryContext(
            homeDirectory: surroundings.home,
            user: surroundings.user,
            workingDirectory: surroundings.workingDirectory,
            defaultIdentityFiles: defaultKeys(surroundings.home),
            sshDefaults: ClientConfiguration(configuration, surroundings)
        )
        let inventory: Inventory
        let bytes = try ManifestFile.read(path)
        do { inventory = try InventoryLoader.load(bytes, path: path, context: context) } catch {
            for diagnostic in error.diagnostics { Terminal.error(diagnostic.rendered) }
            throw CommandEnding(code: .invalidInput)
        }
        for warning in inventory.warnings { Terminal.error(warning.rendered) }
        return inventory
    }

    /// The files of the inventory's hosts, each once, in order; OpenSSH's own when none is named.
    static func knownHostsFiles(of cluster: Cluster, _ surroundings: Surroundings) -> [String] {
        var files: [String] = []
        for path in cluster.hosts.flatMap(\.ssh.knownHosts) where !files.contains(path) { files.append(path) }
        guard files.isEmpty else { return files }
        return [surroundings.home + "/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts"]
    }

    private static func defaultKeys(_ home: String) -> [String] {
        ["id_ed25519", "id_ecdsa"].map { home + "/.ssh/" + $0 }.filter { FileManager.default.fileExists(atPath: $0) }
    }
}

/// Finds the inventory: option, environment, else the only file of a known folder.
struct InventoryFinder {
    private let surroundings: Surroundings

    init(_ surroundings: Surroundings) { self.surroundings = surroundings }

    func find(_ option: String?) throws(OperatorMessage) -> String {
        if let option { return option }
        if let named = surroundings.environment["ROLLBOOK_INVENTORY"], !named.isEmpty { return named }
        for folder in ["Inventory", "/etc/rollbook/inventory"] {
            let names = (try? FileManager.default.contentsOfDirectory(atPath: surroundings.absolute(folder))) ?? []
            let files = names.filter { $0.hasSuffix(".yaml") || $0.hasSuffix(".yml") }.sorted()
            if let only = files.first, files.count == 1 { return "\(folder)/\(only)" }
            guard files.isEmpty else {
                throw OperatorMessage(
                    .usage,
                    at: folder,
                    "several inventories: \(files.joined(separator: ", "))",
                    next: "choose one with --inventory \(folder)/\(files[0])"
                )
            }
        }
        throw OperatorMessage(
            .usage,
            "no inventory",
            next: "write one (Inventory/example.yaml shows how) and name it with --inventory FILE"
        )
    }
}
