import ArgumentParser
import ClusterModel
import Manifests
import RunEngine

struct InventoryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inventory",
        abstract: "Check, show and import inventories.",
        subcommands: [InventoryCheckCommand.self, InventoryShowCommand.self, InventoryImportCommand.self]
    )
}

/// `inventory check [FILE…]`: every problem of every file; contacts nothing.
struct InventoryCheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Validate inventories; contacts nothing."
    )

    @Argument(help: "Inventory files (else the one other commands would use).") var files: [String] = []
    @OptionGroup var cluster: ClusterOptions

    func run() throws {
        let surroundings = try Surroundings.current()
        let paths = files.isEmpty ? [try InventoryFinder(surroundings).find(cluster.inventory)] : files
        var failed = false
        for path in paths {
            do {
                let inventory = try ClusterContext.loadInventory(
                    path,
                    surroundings,
                    isVerbose: cluster.state.verbose
                )
                let hosts = inventory.cluster.hosts
                let counts = Role.allCases.compactMap { role in
                    let count = hosts.count { $0.role == role }
                    return count == 0 ? nil : "\(count) \(role.rawValue)\(count == 1 ? "" : "s")"
                }
                Terminal.answer(
                    "\(path): ok, cluster \(inventory.cluster.id), \(counts.joined(separator: ", ")), "
                        + "\(inventory.warnings.count) warnings"
                )
            } catch is CommandEnding {
                failed = true
            }
        }
        if failed { throw CommandEnding(code: .invalidInput) }
    }
}

/// `inventory show`: the hosts, and how each is reached.
struct InventoryShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show hosts, roles and ways to reach them."
    )

    @OptionGroup var cluster: ClusterOptions

    func run() throws {
        let surroundings = try Surroundings.current()
        let path = try InventoryFinder(surroundings).find(cluster.inventory)
        let inventory = try ClusterContext.loadInventory(path, surroundings, isVerbose: cluster.state.verbose)
        let found = inventory.cluster
        if cluster.state.format == .json {
            return try JSONAnswer.print(
                .object([
                    "v": .integer(1), "digest": .string(inventory.digest), "cluster": try JSONValue(encoding: found),
                ])
            )
        }
        var table = Table(
            ("HOST", .left),
            ("ROLE", .left),
            ("ADDRESS", .left),
            ("LOGIN", .left),
            ("THROUGH", .left),
            ("ROOT BY", .left)
        )
        for host in found.hosts {
            let jump = host.ssh.jump.map(\.name).joined(separator: " > ")
            let become =
                switch host.ssh.become {
                case .no: "login"
                case .sudo: "sudo"
                case .sudoWithPassword: "sudo with password"
                }
            table.add(
                host.name.text,
                host.role.rawValue,
                host.clusterAddress,
                "\(host.ssh.user)@\(host.ssh.address):\(host.ssh.port)",
                jump.isEmpty ? "direct" : jump,
                become
            )
        }
        let vip = found.vip.map { ", VIP \($0):\(found.apiPort)" } ?? ""
        Terminal.answer("Cluster \(found.id), etcd \(found.topology.rawValue)\(vip)\n\n" + table.text)
    }
}
