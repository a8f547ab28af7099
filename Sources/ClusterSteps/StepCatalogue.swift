package import RunEngine

extension StepRegistry {
    /// All kinds that come with Rollbook.
    ///
    /// A new kind is one file, its fixtures, and one line here.
    package static var shipped: StepRegistry {
        var registry = StepRegistry()
        registry.register(CheckModules.self)
        registry.register(CheckSwap.self)
        registry.register(CheckSysctl.self)
        registry.register(CollectFiles.self)
        registry.register(CompareKeyspace.self)
        registry.register(OpenBackup.self)
        registry.register(PublishBackup.self)
        registry.register(RetainBackups.self)
        registry.register(RunShell.self)
        registry.register(SaveEtcdSnapshot.self)
        registry.register(SnapshotReadyGate.self)
        return registry
    }
}
