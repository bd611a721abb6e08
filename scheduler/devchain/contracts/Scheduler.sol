// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {FutureCalls} from "./FutureCalls.sol";

/// What the Scheduler asks a scheduled call (FutureBlockCall v0.7).
interface IScheduledCall {
    function basePayment() external view returns (uint256);
    function claimAmount() external view returns (uint256);
    function claimer() external view returns (address);
    function wasCalled() external view returns (bool);
}

/// Stands in for the alarm clock's Scheduler v0.7.
contract Scheduler is FutureCalls {
    uint256 public constant callAPIVersion = 7;
    uint256 public constant getMinimumGracePeriod = 32;
    uint256 public constant getMinimumCallGas = 200000;
    uint16 public constant getMinimumStackCheck = 10;
    uint256 private constant MINIMUM_LEAD = 10;

    /// What a call pays its executor unless its scheduler says otherwise, in wei.
    uint256 public defaultPayment = 0.005 ether;

    constructor(address blueprint_) FutureCalls(blueprint_) {}

    /// Schedules a call of `contractAddress` with the four bytes `abiSignature` as its data for
    /// `targetBlock`. Answers zero, logs the reason and returns the money where it refuses.
    function scheduleCall(
        address contractAddress,
        bytes4 abiSignature,
        uint256 targetBlock,
        uint256 requiredGas,
        uint8 gracePeriod,
        uint256 basePayment
    ) external payable returns (address created) {
        uint256 baseDonation = getDefaultDonation();
        bytes32 reason = objection(targetBlock, requiredGas, gracePeriod, basePayment, baseDonation);
        if (reason != 0) {
            refuse(reason);
            return address(0);
        }
        created = enter(
            abi.encode(
                msg.sender,
                targetBlock,
                gracePeriod,
                contractAddress,
                abiSignature,
                "",
                0,
                requiredGas,
                getMinimumStackCheck,
                basePayment,
                baseDonation
            ),
            targetBlock
        );
    }

    function getFirstSchedulableBlock() public view returns (uint256) {
        return block.number + MINIMUM_LEAD;
    }

    function getMaximumCallGas() public view returns (uint256) {
        return block.gaslimit - getMinimumCallGas;
    }

    /// One per cent of the default payment, in wei.
    function getDefaultDonation() public view returns (uint256) {
        return defaultPayment / 100;
    }

    /// What must be sent along at the transaction's gas price, in wei.
    function getMinimumEndowment(
        uint256 basePayment,
        uint256 baseDonation,
        uint256 callValue,
        uint256 requiredGas
    ) public view returns (uint256) {
        return tx.gasprice * requiredGas + 2 * (basePayment + baseDonation) + callValue;
    }

    /// Told by a call while it is executed: moves the default payment by 0.01 % towards what
    /// claimers ask for. Calls that were not claimed, and strangers, change nothing.
    function updateDefaultPayment() external {
        if (!isKnownCall(msg.sender)) return;
        IScheduledCall call = IScheduledCall(msg.sender);
        uint256 basePayment = call.basePayment();
        if (!call.wasCalled() || call.claimer() == address(0)) return;
        if (basePayment == 0 || defaultPayment <= 1) return;
        uint256 percent = call.claimAmount() * 100 / basePayment;
        if (percent > 66 && defaultPayment <= basePayment) {
            defaultPayment = defaultPayment * 10001 / 10000;
        } else if (percent < 33 && defaultPayment >= basePayment) {
            defaultPayment = defaultPayment * 9999 / 10000;
        }
    }

    /// Why a call may not be scheduled; zero if it may.
    function objection(
        uint256 targetBlock,
        uint256 requiredGas,
        uint8 gracePeriod,
        uint256 basePayment,
        uint256 baseDonation
    ) private view returns (bytes32) {
        if (targetBlock < getFirstSchedulableBlock()) return "TOO_SOON";
        // Not in the original, whose index is not limited to 32 bits.
        if (targetBlock > type(uint32).max) return "TOO_LATE";
        if (gracePeriod < getMinimumGracePeriod) return "GRACE_TOO_SHORT";
        if (requiredGas < getMinimumCallGas || requiredGas > getMaximumCallGas()) {
            return "REQUIRED_GAS_OUT_OF_RANGE";
        }
        if (msg.value < getMinimumEndowment(basePayment, baseDonation, 0, requiredGas)) {
            return "INSUFFICIENT_FUNDS";
        }
        return 0;
    }
}
