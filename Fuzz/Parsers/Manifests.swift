import ClusterModel
import ClusterSteps
import Manifests
import RunEngine

/// What files of people are read with.
let context = InventoryContext(
    homeDirectory: "/home/op",
    user: "op",
    workingDirectory: "/srv/ops",
    defaultIdentityFiles: ["/home/op/.ssh/id_ed25519"]
)

func feedInventory(_ bytes: [UInt8]) {
    do {
        let inventory = try InventoryLoader.load(bytes, path: "inventory.yaml", context: context)
        precondition(!inventory.cluster.hosts.isEmpty)
        inventory.warnings.forEach(requirePlain)
    } catch {
        precondition(!error.diagnostics.isEmpty && error.diagnostics.count <= 1000)
        error.diagnostics.forEach(requirePlain)
    }
}

func feedRunbook(_ bytes: [UInt8]) {
    do {
        let runbook = try RunbookLoader.load(bytes, path: "runbook.yaml", catalogue: StepRegistry.shipped)
        precondition(!runbook.stages.isEmpty)
    } catch {
        precondition(!error.diagnostics.isEmpty && error.diagnostics.count <= 1000)
        error.diagnostics.forEach(requirePlain)
    }
}

/// An import may refuse, or give an inventory with problems; it never gives a file that is no YAML of ours.
func feedAnsible(_ bytes: [UInt8]) {
    guard var source = try? AnsibleInventory(bytes, from: "hosts") else { return }
    try? source.addFile(bytes, from: "group_vars/all.yml", of: "all")
    guard let imported = try? ImportedInventory(source, id: nil, from: "hosts") else { return }
    do { _ = try InventoryLoader.load(Array(imported.text.utf8), path: "inventory.yaml", context: context) } catch {
        for diagnostic in error.diagnostics {
            requirePlain(diagnostic)
            precondition(!diagnostic.message.contains("not valid YAML"), diagnostic.message)
        }
    }
}

/// A diagnostic names a place in the file and holds nothing that a terminal obeys.
func requirePlain(_ diagnostic: Diagnostic) {
    precondition(diagnostic.location.line >= 1 && diagnostic.location.column >= 1)
    requirePlain(diagnostic.rendered)
}

func requirePlain(_ text: String) { precondition(text == text.escapedForTerminal, "a terminal would obey this") }
