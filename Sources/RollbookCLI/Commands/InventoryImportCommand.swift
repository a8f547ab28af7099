import ArgumentParser
import ClusterModel
import FoundationEssentials
import Manifests

/// `inventory import FILE`: an inventory made from Ansible's or Kubespray's; what did not come along is said on stderr.
struct InventoryImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Make an inventory from one of Ansible or Kubespray; contacts nothing.",
        discussion: """
            Groups become roles: kube_control_plane or masters; kube_node or workers; etcd, when its hosts are no masters;
            loadbalancers, haproxy or lb. Address, port, user, key and jump host come along, and of Kubespray's group_vars
            beside the file the cluster's name, the API's load balancer and the address ranges. Everything else is listed.
            """
    )

    @Argument(help: "An Ansible inventory, INI or YAML (hosts.ini, hosts.yaml).") var file: String
    @Option(name: .customLong("id"), help: "The cluster's id, if not cluster_name.") var id: String?
    @Option(name: .shortAndLong, help: "File to write; it must not exist (else standard output).") var output: String?

    func run() throws {
        var source = try AnsibleInventory(try ManifestFile.read(file), from: file)
        try readVariables(beside: file, into: &source)
        let imported = try ImportedInventory(source, id: id, from: file)
        if let output {
            guard !FileManager.default.fileExists(atPath: output) else {
                throw OperatorMessage(
                    .usage,
                    at: output,
                    "is there already",
                    state: "Nothing was written",
                    next: "name another file, or move this one away"
                )
            }
            try ReportFile(output).write(imported.text)
        } else {
            try Terminal.machineAnswer(imported.text)
        }
        for line in imported.leftOut { _ = Terminal.error("not carried over: \(line)") }
        let count = imported.hostCount == 1 ? "1 host" : "\(imported.hostCount) hosts"
        let next =
            output.map { "rollbook inventory check \($0)" }
            ?? "rollbook inventory import \(file) --output inventory.yaml"
        _ = Terminal.error("\(count), \(imported.leftOut.count) things not carried over. Next: \(next)")
    }

    /// Takes up `group_vars` and `host_vars` beside the inventory, as Ansible does.
    private func readVariables(beside file: String, into source: inout AnsibleInventory) throws {
        let folder = file.lastIndex(of: "/").map { String(file[...$0]) } ?? "./"
        for kind in ["group_vars", "host_vars"] {
            for entry in names(in: folder + kind) {
                let path = folder + kind + "/" + entry
                let owner = entry.split(separator: ".").first.map(String.init) ?? entry
                if isVariables(entry) {
                    try source.addFile(try ManifestFile.read(path), from: path, of: owner)
                    continue
                }
                for inner in names(in: path) where isVariables(inner) {
                    try source.addFile(try ManifestFile.read("\(path)/\(inner)"), from: "\(path)/\(inner)", of: entry)
                }
            }
        }
    }

    private func isVariables(_ name: String) -> Bool { name.hasSuffix(".yml") || name.hasSuffix(".yaml") }

    private func names(in folder: String) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
    }
}
