import ArgumentParser
import ClusterModel
import ClusterSteps
import Manifests
import RunEngine

/// `schema inventory|runbook`: JSON Schemas, with which editors complete and check the files while they are written.
struct SchemaCommand: ParsableCommand {
    enum Subject: String, ExpressibleByArgument, CaseIterable { case inventory, runbook }

    static let configuration = CommandConfiguration(
        commandName: "schema",
        abstract: "Print the JSON Schema of inventories or runbooks, for editors."
    )

    @Argument(help: "inventory or runbook.") var subject: Subject

    func run() throws {
        switch subject {
        case .inventory: try JSONAnswer.print(ManifestSchemas.inventory)
        case .runbook: try JSONAnswer.print(ManifestSchemas.runbook(catalogue: StepRegistry.shipped))
        }
    }
}
