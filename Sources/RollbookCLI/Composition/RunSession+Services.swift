import BackupStore
import ClusterModel
import ClusterSteps
import Journal
import Manifests
import RunEngine
import SystemPackage

/// What a run's steps may use of the controller, and who is told of it.
extension RunSession {
    /// Read-only views for planning.
    func views() throws -> StepServices {
        var views = StepServices()
        let local = LocalBackups(state: state.path.string, cluster: context.cluster, time: surroundings.time)
        views.add(local as any BackupOutlook)
        views.add(local as any RestoreOutlook)
        if let kept = KeptDatabases(local) { views.add(kept as any DatabaseHistory) }
        views.add(RunbookFolder(surroundings: surroundings) as any RunbookFiles)
        views.add(person as any Attendance)
        return views
    }

    /// What steps may use while they act: the views, and the workspace of a backup.
    func services(_ folder: RunFolder) throws -> StepServices {
        var services = try views()
        services.add(RunOutputs(folder: folder) as any FetchedFiles)
        let time = surroundings.time
        services.add(
            RestoreWorkspace(
                store: try BackupStore(root: backupRoot, cluster: context.cluster.id),
                tools: surroundings.etcdTools,
                checker: SnapshotChecker(),
                newID: { BackupID(moment: time.now, random: .random(in: .min ... .max)) }
            ) as any RestoreSource
        )
        services.add(
            BackupWorkspace(
                store: try BackupStore(root: backupRoot, cluster: context.cluster.id),
                tools: .standard,
                checker: SnapshotChecker(),
                controller: surroundings.hostname
            )
        )
        return services
    }

    /// Who is told of a run, by the inventory as it is now.
    func reporting(for run: RunID, _ runbook: String, _ kind: RunReport, action: String) -> RunReporting {
        RunReporting(
            backup: kind == .backup && action != "abandon" ? backupReport(for: run) : nil,
            notifier: Notifier(
                policy: context.inventory.notify,
                cluster: context.cluster.id,
                runbook: runbook,
                run: run,
                action: action,
                controller: surroundings.hostname,
                user: surroundings.user,
                time: surroundings.time
            ),
            connections: context.connections,
            time: surroundings.time
        )
    }

    private func backupReport(for run: RunID) -> BackupReport {
        BackupReport(
            policy: context.cluster.backup,
            cluster: context.cluster.id,
            run: run,
            local: LocalBackups(state: state.path.string, cluster: context.cluster, time: surroundings.time),
            time: surroundings.time
        )
    }
}
