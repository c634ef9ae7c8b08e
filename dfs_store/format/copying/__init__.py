"""Copying stores: conversion and repair."""
