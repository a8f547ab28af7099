package import RunEngine

extension StepRegistry {
    /// All kinds that come with Rollbook.
    ///
    /// A new kind is one file, its fixtures, and one line here.
    package static var shipped: StepRegistry {
        var registry = StepRegistry()
        for check in PreflightCatalogue.types { registry.register(check) }
        registry.register(AddEtcdMember.self)
        registry.register(MeasureAvailability.self)
        registry.register(ReportAvailability.self)
        registry.register(CloseLoadBalancer.self)
        registry.register(CollectFiles.self)
        registry.register(CollectResources.self)
        registry.register(CompactEtcd.self)
        registry.register(CompareKeyspace.self)
        registry.register(CordonNode.self)
        registry.register(ConfigureRepository.self)
        registry.register(DefragmentEtcd.self)
        registry.register(DisarmEtcd.self)
        registry.register(DrainNode.self)
        registry.register(DrainBackend.self)
        registry.register(EnableBackend.self)
        registry.register(JoinEtcd.self)
        registry.register(MoveEtcdLeader.self)
        registry.register(OpenBackup.self)
        registry.register(OpenLoadBalancer.self)
        registry.register(OpenRestore.self)
        registry.register(ParkControlPlane.self)
        registry.register(ParkEtcd.self)
        registry.register(PromoteEtcdMember.self)
        registry.register(PublishBackup.self)
        registry.register(RemoveEtcdMember.self)
        registry.register(RestoreEtcdData.self)
        registry.register(RetainBackups.self)
        registry.register(RunShell.self)
        registry.register(SaveEtcdSnapshot.self)
        registry.register(SetEtcdDataAside.self)
        registry.register(StartControlPlane.self)
        registry.register(StartEtcd.self)
        registry.register(StoppedGate.self)
        registry.register(UncordonNode.self)
        registry.register(UpgradeKubeadm.self)
        registry.register(UpgradeKubelet.self)
        registry.register(VerifyRestored.self)
        registry.register(WaitForWorkloads.self)
        registry.register(ControlPlaneReadyGate.self)
        registry.register(Confirm.self)
        registry.register(EditLine.self)
        registry.register(EnsurePackage.self)
        registry.register(EnsureService.self)
        registry.register(FetchFile.self)
        registry.register(PutFile.self)
        registry.register(RebootHost.self)
        registry.register(WaitUntil.self)
        registry.register(EtcdHealthyGate.self)
        registry.register(EtcdQuorumGate.self)
        registry.register(NodeReadyGate.self)
        registry.register(RemovableGate.self)
        registry.register(ReplaceableGate.self)
        registry.register(SnapshotReadyGate.self)
        registry.register(PreflightGate.self)
        registry.register(UpgradeReadyGate.self)
        registry.register(WorkloadsGate.self)
        return registry
    }
}

/// Preflight's checks; a new one is one line here.
enum PreflightCatalogue {
    static let types: [any PreflightCheck.Type] = [
        CheckCertificates.self,
        CheckDisk.self,
        CheckFirewall.self,
        CheckHardware.self,
        CheckIdentity.self,
        CheckModules.self,
        CheckOS.self,
        CheckPackages.self,
        CheckResolution.self,
        CheckSudo.self,
        CheckSwap.self,
        CheckSysctl.self,
        CheckPorts.self,
        CheckReachability.self,
        CheckVIP.self,
        CheckLoadBalancer.self,
        CheckTime.self,
        CheckVersions.self,
        CheckRuntime.self,
        CheckEtcdDisk.self,
        CheckRepository.self,
    ]
}
